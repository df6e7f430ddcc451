"""The commands that clean up: what they delete, and what they leave."""

from contextlib import suppress
from datetime import datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from axes.models import AccessFailureLog
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import audit
from accounts.models import AuditEntry, KnownAddress, SignIn, SlowedAccount
from bookings import replays
from bookings.models import Hold, IdempotencyRecord
from bookings.services import forget_person
from bookings.services.housekeeping import delete_old_rows
from catalog.models import RefusedOverlap, Seat
from tests.factories import MovieFactory, ScreenFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)


def hold(*, minutes: int) -> Hold:
    """Create a hold of one seat that ends in this many minutes."""
    show = ShowFactory()
    (seat,) = make_seats(show, "S")
    end = timezone.now() + timedelta(minutes=minutes)
    held = Hold.objects.create(
        user=UserFactory(), show=show, seat_ids=[seat.pk], expires_at=end, max_expires_at=end
    )
    Seat.objects.filter(pk=seat.pk).update(status="held", hold_id=held.pk, held_until=end)
    return held


def clean_up(command: str, *, batch: int) -> str:
    output = StringIO()
    call_command(command, batch=batch, stdout=output)
    return output.getvalue().strip()


def test_all_expired_holds_are_ended_in_batches_and_live_ones_stay() -> None:
    over = [hold(minutes=-1) for _ in range(3)]
    live = hold(minutes=1)
    assert clean_up("release_expired_holds", batch=2) == "Ended 3 expired holds."
    assert set(Hold.objects.filter(end_reason="expired").values_list("pk", flat=True)) == {
        each.pk for each in over
    }
    assert Seat.objects.get(status="held").hold_id == live.pk
    assert Seat.objects.filter(status="available").count() == 3


def test_ending_a_hold_does_not_free_a_seat_that_another_user_has() -> None:
    over, live = hold(minutes=-1), hold(minutes=1)
    over.seat_ids = [*over.seat_ids, *live.seat_ids]
    over.save()
    clean_up("release_expired_holds", batch=10)
    assert Seat.objects.get(pk=live.seat_ids[0]).hold_id == live.pk


def test_cached_answers_of_a_user_are_deleted_only_after_commit() -> None:
    """Before it, a concurrent replay could read the record and cache it again."""
    stored = record(days=0)
    name = replays.KeyScope(stored.user_id, stored.operation, stored.key)
    replays.store(name, replays.StoredAnswer("f", 201, "{}", stored.created_at), show_id=1)
    with suppress(InterruptedError), transaction.atomic():
        forget_person(user_id=stored.user_id)
        raise InterruptedError
    assert replays.find(name)
    with transaction.atomic():
        forget_person(user_id=stored.user_id)
        assert replays.find(name)
    assert replays.find(name) is None
    assert not IdempotencyRecord.objects.exists()


def record(*, days: int) -> IdempotencyRecord:
    made = IdempotencyRecord.objects.create(
        user=UserFactory(), operation="book", key="k", fingerprint="f", status=201, body="{}"
    )
    IdempotencyRecord.objects.filter(pk=made.pk).update(
        created_at=timezone.now() - timedelta(days=days)
    )
    return made


def test_answers_older_than_seven_days_are_deleted_in_batches() -> None:
    for _ in range(3):
        record(days=8)
    young = record(days=6)
    assert clean_up("purge_idempotency_records", batch=2) == "Deleted 3 records."
    assert IdempotencyRecord.objects.get() == young


def ago(**age: float) -> datetime:
    return timezone.now() - timedelta(**age)


def session(*, expired: datetime) -> Session:
    return Session.objects.create(session_key=uuid4().hex, session_data="", expire_date=expired)


def sign_in(*, expired: datetime, ended: datetime | None = None) -> SignIn:
    return SignIn.objects.create(
        user=UserFactory(), token_id=uuid4(), expires_at=expired, ended_at=ended
    )


def ended_hold(*, ended: datetime) -> Hold:
    return Hold.objects.create(
        user=UserFactory(),
        show=ShowFactory(),
        seat_ids=[1],
        expires_at=ended,
        max_expires_at=ended,
        ended_at=ended,
        end_reason="expired",
    )


def refused_overlap(*, at: datetime) -> RefusedOverlap:
    return RefusedOverlap.objects.create(
        screen=ScreenFactory(),
        movie=MovieFactory(),
        start_time=at,
        in_the_way="",
        refused_to=UserFactory(),
        refused_at=at,
    )


def audit_entry(*, at: datetime) -> AuditEntry:
    entry = audit.record(actor=None, action="seats_blocked", subject=UserFactory())
    AuditEntry.objects.filter(pk=entry.pk).update(at=at)
    return entry


def known_address(number: int, *, at: datetime) -> KnownAddress:
    return KnownAddress.objects.create(
        user=UserFactory(), address=f"192.0.2.{number}", last_login_at=at
    )


def failed_login(*, at: datetime) -> AccessFailureLog:
    entry = AccessFailureLog.objects.create(username="lena@example.com", ip_address="192.0.2.1")
    AccessFailureLog.objects.filter(pk=entry.pk).update(attempt_time=at)
    return entry


def slowed_account(number: int, *, at: datetime) -> SlowedAccount:
    email = f"account{number}@example.com"
    return SlowedAccount.objects.create(email=email, tried_at=at, warned_at=at)


def test_rows_are_deleted_when_they_are_old_in_batches(settings: Settings) -> None:
    settings.AUDIT_RETENTION_DAYS = 365
    old = {
        "django_session": [session(expired=ago(minutes=1)) for _ in range(3)],
        "sign_ins": [sign_in(expired=ago(days=91), ended=ended) for ended in (None, ago(days=95))],
        "holds": [ended_hold(ended=ago(days=31)) for _ in range(3)],
        "refused_overlaps": [refused_overlap(at=ago(days=31)) for _ in range(3)],
        "audit_entries": [audit_entry(at=ago(days=366)) for _ in range(3)],
        "known_addresses": [known_address(n, at=ago(days=91)) for n in range(3)],
        "axes_accessfailurelog": [failed_login(at=ago(hours=25)) for _ in range(3)],
        "slowed_accounts": [slowed_account(n, at=ago(hours=25)) for n in range(3)],
    }
    young: list[Model] = [
        session(expired=ago(minutes=-1)),
        sign_in(expired=ago(days=89), ended=ago(days=100)),
        ended_hold(ended=ago(days=29)),
        hold(minutes=-60 * 24 * 31),  # expired, but release_expired_holds has not ended it
        refused_overlap(at=ago(days=29)),
        audit_entry(at=ago(days=364)),
        known_address(9, at=ago(days=89)),
        failed_login(at=ago(hours=23)),
        slowed_account(9, at=ago(hours=23)),
    ]
    lines = clean_up("delete_old_rows", batch=2).splitlines()
    assert lines[: len(old)] == [
        f"Deleted {len(rows)} rows of {table}." for table, rows in old.items()
    ]
    for row in young:
        row.refresh_from_db()
    gone = [row for rows in old.values() for row in rows]
    assert not any(type(row)._default_manager.filter(pk=row.pk).exists() for row in gone)


def test_one_statement_deletes_at_most_a_batch() -> None:
    for _ in range(5):
        session(expired=ago(minutes=1))
    with CaptureQueriesContext(connection) as statements:
        assert delete_old_rows(batch=2)["django_session"] == 5
    sessions = [each for each in statements if "django_session" in each["sql"]]
    assert [each["sql"].count("LIMIT 2") for each in sessions] == [1, 1, 1, 1]


@pytest.mark.parametrize("size", ["0", "-1", "many", "²"])
@pytest.mark.parametrize(
    "command",
    ["release_expired_holds", "purge_idempotency_records", "delete_old_rows", "count_shows"],
)
def test_an_invalid_batch_size_is_refused(command: str, size: str) -> None:
    with pytest.raises(CommandError, match=f"--batch: '{size}' must be"):
        call_command(command, f"--batch={size}")
