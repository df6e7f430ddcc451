"""Ends expired holds, deletes old rows, and erases the data of removed users."""

from datetime import timedelta
from typing import Any

from axes.models import AccessFailureLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.brute_force import KNOWN_FOR
from accounts.models import AuditEntry, KnownAddress, SignIn, SlowedAccount, User
from bookings import replays
from bookings.models import Hold, HoldEnd, IdempotencyRecord
from bookings.services.holds import end_holds, release_holds_of
from bookings.transactions import in_transaction
from bookings.walk_in_customers import erase_walk_in_customer
from catalog.models import RefusedOverlap

RECORD_RETENTION = timedelta(days=7)
# From the time at which a row expired or ended.
SIGN_IN_RETENTION = timedelta(days=90)
HOLD_RETENTION = timedelta(days=30)
OVERLAP_RETENTION = timedelta(days=30)


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
    old = IdempotencyRecord.objects.filter(pk__in=first, created_at__lt=Now() - RECORD_RETENTION)
    deleted, _ = old.delete()
    return deleted


def delete_old_rows(*, batch: int) -> dict[str, int]:
    """Delete rows past their retention; return how many by table.

    Each statement is one transaction and deletes up to `batch` rows, so this can be interrupted and
    repeated.
    """
    deleted = {}
    for rows in _old_rows():
        table = rows.model._meta.db_table
        deleted[table] = 0
        while count := _delete(rows, batch):
            deleted[table] += count
    return deleted


def _old_rows() -> list[QuerySet[Any]]:
    audit_retention = timedelta(days=settings.AUDIT_RETENTION_DAYS)
    return [
        Session.objects.filter(expire_date__lt=Now()),
        # Also those that ended before they expired.
        SignIn.objects.filter(expires_at__lt=Now() - SIGN_IN_RETENTION),
        Hold.objects.filter(
            ended_at__isnull=False,
            end_reason__in=HoldEnd.values,  # redundant, but the first column of the index
            expires_at__lt=Now() - HOLD_RETENTION,
        ),
        # Without an index: only the last month's refusals are in the table.
        RefusedOverlap.objects.filter(refused_at__lt=Now() - OVERLAP_RETENTION),
        AuditEntry.objects.filter(at__lt=Now() - audit_retention),
        KnownAddress.objects.filter(last_login_at__lt=Now() - KNOWN_FOR),
        # Without an index: only the last day's failed logins are in these tables.
        AccessFailureLog.objects.filter(attempt_time__lt=Now() - timedelta(days=1)),
        SlowedAccount.objects.filter(tried_at__lt=Now() - timedelta(days=1)),
    ]


def _delete(rows: QuerySet[Any], batch: int) -> int:
    some = rows.order_by().values("pk")[:batch]
    count: int
    count, _ = rows.model._default_manager.filter(pk__in=some).delete()
    return count


def forget_person(*, user_id: int) -> None:
    """End the user's live holds, delete stored responses, and erase them as a walk-in customer.

    Bookings stay. Call it in the transaction that anonymizes the user, whose row is locked,
    before the address is erased.
    """
    release_holds_of(user_ids=[user_id])
    records = IdempotencyRecord.objects.filter(user_id=user_id)
    scopes = [
        replays.KeyScope(user_id, operation, key)
        for operation, key in records.values_list("operation", "key")
    ]
    records.delete()
    # Before the commit, a concurrent replay could store a copy again.
    transaction.on_commit(lambda: replays.forget(scopes))
    erase_walk_in_customer(User.objects.get(pk=user_id))
