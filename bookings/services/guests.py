"""Moves the purchases of guests to an account, and erases guests after a while."""

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from accounts import audit
from accounts.guests import close_guests
from accounts.models import User
from bookings.models import Booking, Order
from bookings.services.holds import release_holds_of

# Guests without a purchase are erased this long after their creation.
GUEST_RETENTION = timedelta(days=7)
# Older guests were erased by earlier runs. Guests with purchases remain, and may be many.
SEARCH_WINDOW = timedelta(days=60)


def move_purchases(*, guest_ids: Collection[int], account_id: int) -> None:
    """Move the guests' orders and bookings to the account, and release the guests' holds.

    Call it in the transaction that has locked the rows of all these users. An audit entry for each
    order has the guest's id.
    """
    release_holds_of(user_ids=guest_ids)
    orders = list(
        Order.objects.filter(user_id__in=guest_ids)
        .select_related("show")
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(user_id=account_id)
    bookings = Booking.objects.filter(user_id__in=guest_ids)
    bookings.filter(cancelled_by_id=F("user_id")).update(cancelled_by_id=account_id)
    bookings.update(user_id=account_id)
    for order in orders:
        audit.record(
            actor=None,
            action="order_claimed",
            subject=order,
            theatre_id=order.show.theatre_id,
            guest=order.user_id,
        )


def close_abandoned_guests() -> int:
    """Erase the guests who have bought nothing in a week, and return how many."""
    latest = Now() - GUEST_RETENTION
    old = _guests(created_at__lt=latest, created_at__gt=latest - SEARCH_WINDOW)
    return close_guests(old.exclude(_has_orders()))


def close_old_guests() -> int:
    """Erase the guests whose last show started WALK_IN_RETENTION_DAYS ago; 0 erases none."""
    if not settings.WALK_IN_RETENTION_DAYS:
        return 0
    limit = timedelta(days=settings.WALK_IN_RETENTION_DAYS)
    recent = _has_orders(show__start_time__gte=Now() - limit)
    return close_guests(_guests().filter(_has_orders()).exclude(recent))


def _guests(**conditions: object) -> QuerySet[User]:
    return User.objects.filter(contact_email__isnull=False, **conditions)


def _has_orders(**conditions: object) -> Exists:
    return Exists(Order.objects.filter(user=OuterRef("pk"), **conditions))
