"""Ends expired holds, deletes old idempotency records, and erases the data of removed users."""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import User
from bookings import replays
from bookings.models import Hold, HoldEnd, IdempotencyRecord
from bookings.services.holds import end_holds
from bookings.transactions import in_transaction
from bookings.walk_in_customers import erase_walk_in_customer

RECORD_LIFETIME = timedelta(days=7)


def release_expired_holds(*, batch: int) -> int:
    """End up to `batch` expired holds, and return how many.

    This is only tidying up: the seats of an expired hold are available anyway. Locked holds
    are left for the next call.
    """

    def sweep() -> int:
        # No users' rows are locked first, unlike in other writes. Skipping locked holds
        # prevents deadlocks.
        holds = list(
            Hold.objects.filter(ended_at__isnull=True, expires_at__lte=Now())
            .order_by("expires_at")
            .select_for_update(of=("self",), no_key=True, skip_locked=True)[:batch]
        )
        end_holds(holds, HoldEnd.EXPIRED)
        return len(holds)

    return in_transaction(sweep)


def purge_idempotency_records(*, batch: int) -> int:
    """Delete up to `batch` records older than seven days, and return how many."""
    # Older records have smaller ids, so no index on their age is needed.
    first = IdempotencyRecord.objects.order_by("pk").values("pk")[:batch]
    old = IdempotencyRecord.objects.filter(pk__in=first, created_at__lt=Now() - RECORD_LIFETIME)
    deleted, _ = old.delete()
    return deleted


def forget_person(*, user_id: int) -> None:
    """End the user's live holds, delete stored responses, and erase them as a walk-in customer.

    Bookings stay. Call it in the transaction that anonymizes the user, whose row is locked,
    before the address is erased.
    """
    live = Hold.objects.filter(user_id=user_id, ended_at__isnull=True).order_by("pk")
    end_holds(list(live.select_for_update(of=("self",), no_key=True)), HoldEnd.RELEASED)
    records = IdempotencyRecord.objects.filter(user_id=user_id)
    scopes = [
        replays.KeyScope(user_id, operation, key)
        for operation, key in records.values_list("operation", "key")
    ]
    records.delete()
    # Before the commit, a concurrent replay could store a copy again.
    transaction.on_commit(lambda: replays.forget(scopes))
    erase_walk_in_customer(User.objects.get(pk=user_id))
