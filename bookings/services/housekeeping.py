"""Tidying up: holds whose time is over, answers nobody asks for again, people who leave."""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from bookings import replays
from bookings.models import Hold, HoldEnd, IdempotencyRecord
from bookings.services.holds import end_holds
from bookings.transactions import in_transaction

RECORDS_KEPT = timedelta(days=7)


def release_expired_holds(*, batch: int) -> int:
    """End up to `batch` holds whose time is over, and return how many.

    Tidiness only: an expired hold holds nothing, swept or not. Holds that
    live traffic has locked are left for the next call.
    """

    def sweep() -> int:
        # Not in the order of the users' rows, which a sweep does not lock;
        # skipping what is locked, it waits for no hold and so for no deadlock.
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
    # Their numbers grow with their age, so they need no index by age.
    first = IdempotencyRecord.objects.order_by("pk").values("pk")[:batch]
    old = IdempotencyRecord.objects.filter(pk__in=first, created_at__lt=Now() - RECORDS_KEPT)
    deleted, _ = old.delete()
    return deleted


def forget_person(*, user_id: int) -> None:
    """End the person's live holds and drop the answers kept for them; bookings stay.

    Runs in the transaction that empties the user's row, which is locked.
    """
    live = Hold.objects.filter(user_id=user_id, ended_at__isnull=True).order_by("pk")
    end_holds(list(live.select_for_update(of=("self",), no_key=True)), HoldEnd.RELEASED)
    records = IdempotencyRecord.objects.filter(user_id=user_id)
    scopes = [
        replays.KeyScope(user_id, operation, key)
        for operation, key in records.values_list("operation", "key")
    ]
    records.delete()
    # A copy deleted before the commit could be written again by a late replay.
    transaction.on_commit(lambda: replays.forget(scopes))
