"""The commands that clean up: what they delete, and what they leave."""

from contextlib import suppress
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from bookings import replays
from bookings.models import Hold, IdempotencyRecord
from bookings.services import forget_person
from catalog.models import Seat
from tests.factories import ShowFactory, UserFactory, make_seats

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
    replays.store(name, replays.StoredAnswer("f", 201, "{}"))
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


@pytest.mark.parametrize("size", ["0", "-1", "many", "²"])
@pytest.mark.parametrize(
    "command", ["release_expired_holds", "purge_idempotency_records", "count_shows"]
)
def test_an_invalid_batch_size_is_refused(command: str, size: str) -> None:
    with pytest.raises(CommandError, match=f"--batch: '{size}' must be"):
        call_command(command, f"--batch={size}")
