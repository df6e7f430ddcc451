"""Confirmation mails: each order is the outbox of its own mail.

The sale sets `confirmation_due_at`, so it inserts no row for the mail, and a sale that is rolled
back sends none. The worker claims an order by postponing that time, in a separate transaction. If
it is killed while sending, another worker sends the mail at that time. So a confirmation is sent
at least once, and a duplicate has the same Message-ID.
"""

import logging
from collections.abc import Collection, Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from accounts import audit
from accounts.models import User
from booking_site.tasks.outbox import ATTEMPTS, Backlog, is_given_up, pause_after
from bookings.mails import send_confirmation
from bookings.models import Order, OrderStatus
from bookings.transactions import in_transaction

logger = logging.getLogger(__name__)

# Longer than a mail server takes to answer every step of one mail (EMAIL_TIMEOUT for each).
CLAIM = timedelta(minutes=2)


def send_next() -> bool:
    """Send the confirmation that has been due for longest; return whether any was due."""
    order = _claim()
    if order is None:
        return False
    try:
        sent = send_confirmation(order)
    except Exception as error:
        _record_failure(order, error)
    else:
        _close(order, sent=sent)
    return True


def backlog() -> Backlog:
    """Return what has not been sent. A confirmation is due from the moment it is requested."""
    given_up = Q(confirmation_attempts__gte=ATTEMPTS)
    requested_at = Coalesce("confirmation_requested_at", "created_at")
    found = Order.objects.unsent().aggregate(
        waiting=Count("pk", filter=~given_up),
        given_up=Count("pk", filter=given_up),
        age=Now() - Min(requested_at, filter=~given_up),
    )
    return Backlog(**found)


def retry_now() -> int:
    """Make all confirmations due that wait for another attempt, and return their number."""
    # One that is due sooner may be claimed by a worker, which is sending it.
    waiting = Order.objects.unsent().filter(
        confirmation_due_at__gt=Now() + CLAIM, confirmation_attempts__lt=ATTEMPTS
    )
    with transaction.atomic():
        locked = waiting.order_by("pk").select_for_update(
            of=("self",), no_key=True, skip_locked=True
        )
        ids = list(locked.values_list("pk", flat=True))
        return Order.objects.filter(pk__in=ids).update(confirmation_due_at=Now())


def confirm_again(orders: Iterable[Order]) -> None:
    """Have the worker send another confirmation, of the bookings that are active by then."""
    if settings.BOOKING_MAILS:
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(
            confirmation_requested_at=Now(),
            confirmation_due_at=Now(),
            confirmation_sent_at=None,
            confirmation_attempts=0,
            confirmation_number=F("confirmation_number") + 1,
        )


def send_again(*, order_ids: Collection[int], actor: User) -> int:
    """Confirm these orders again for staff, and return how many are not cancelled."""

    def work() -> int:
        orders = (
            Order.objects.filter(pk__in=order_ids)
            .exclude(status=OrderStatus.CANCELLED)
            .select_related("show")
            .order_by("pk")
            .select_for_update(of=("self",), no_key=True)
        )
        confirm_again(orders)
        for order in orders:
            audit.record(
                actor=actor,
                action="confirmation_requested",
                subject=order,
                theatre_id=order.show.theatre_id,
            )
        return len(orders)

    return in_transaction(work)


def _due() -> QuerySet[Order]:
    """Return the orders to confirm now, oldest first, without those given up."""
    return (
        Order.objects.unsent()
        .filter(confirmation_due_at__lte=Now(), confirmation_attempts__lt=ATTEMPTS)
        .order_by("confirmation_due_at")
    )


def _claim() -> Order | None:
    with transaction.atomic(durable=True):
        order = _due().select_for_update(of=("self",), no_key=True, skip_locked=True).first()
        if order is not None:
            order.confirmation_attempts += 1
            Order.objects.filter(pk=order.pk).update(
                confirmation_attempts=order.confirmation_attempts,
                confirmation_due_at=Now() + CLAIM,
            )
        return order


def _record_failure(order: Order, error: Exception) -> None:
    attempts, name = order.confirmation_attempts, type(error).__qualname__
    if is_given_up(error, attempts):
        logger.error("The confirmation of %s raised %s; given up", order, name)
        _claimed(order).update(confirmation_attempts=ATTEMPTS)
    else:
        pause = pause_after(attempts)
        logger.warning("The confirmation of %s raised %s; retrying in %s", order, name, pause)
        _claimed(order).update(confirmation_due_at=Now() + pause)


def _close(order: Order, *, sent: bool) -> None:
    if sent:
        _claimed(order).update(confirmation_due_at=None, confirmation_sent_at=Now())
    else:
        _claimed(order).update(confirmation_due_at=None, confirmation_attempts=0)


def _claimed(order: Order) -> QuerySet[Order]:
    """Return the order, unless another worker has claimed it or staff requested a new mail."""
    return Order.objects.filter(
        pk=order.pk,
        confirmation_attempts=order.confirmation_attempts,
        confirmation_number=order.confirmation_number,
    )
