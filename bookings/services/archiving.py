"""Archives the rooms of past shows: deletes the rows of the seats that nobody booked.

See docs/decisions/0021-archived-rooms.md.
"""

from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib.postgres.aggregates import BitXor
from django.db.models import BigIntegerField, Exists, OuterRef
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Now

from bookings.models import Booking
from bookings.transactions import in_transaction
from catalog.archived_rooms import archived_room, is_archived
from catalog.models import (
    SOLD_BEFORE,
    STATE_NOW,
    Seat,
    SeatStatus,
    Show,
    ShowQuerySet,
)
from catalog.seat_changes import publish_seat_changes


def archive_rooms(*, at_most: int | None = None) -> int:
    """Archive shows that ended ARCHIVE_AFTER_DAYS ago, and return how many.

    Each show is one transaction, so this can be interrupted and repeated. Shows that somebody has
    locked are left for the next call. With 0 days, nothing is archived.
    """
    due = _past_shows().filter(Exists(Seat.objects.filter(show=OuterRef("pk"))), archived_room=None)
    ids = list(due.order_by("start_time", "pk").values_list("pk", flat=True)[:at_most])
    return sum(in_transaction(partial(_archive, show_id)) for show_id in ids)


def _past_shows() -> ShowQuerySet:
    if not (days := settings.ARCHIVE_AFTER_DAYS):
        return Show.objects.none()
    ended = Coalesce("end_time", "start_time")
    return Show.objects.alias(ended=ended).filter(ended__lt=Now() - timedelta(days=days))


def _archive(show_id: int) -> bool:
    """Store the room of the show and delete the seats; return False if it is not possible now."""
    # It waits for no lock, so it cannot deadlock, whatever the order of locks.
    shows = _past_shows().filter(pk=show_id).select_for_update(no_key=True, skip_locked=True)
    if not list(shows.values_list("pk")) or is_archived(show_id):
        return False
    all_seats = Seat.objects.filter(show_id=show_id)
    # Not no_key: an insert of a booking, even by plain SQL, must wait, and then fail.
    seats = list(
        all_seats.annotate(state_now=STATE_NOW)
        .order_by("pk")
        .select_for_update(of=("self",), skip_locked=True)
    )
    if len(seats) != all_seats.count():
        return False
    # A separate statement: a booking may have been committed before the lock.
    booked = set(Booking.objects.filter(show_id=show_id).values_list("seat_id", flat=True))
    unsold = [seat for seat in seats if seat.pk not in booked and _is_deletable(seat)]
    room = archived_room(show_id=show_id, seats=seats, unsold=unsold)
    deleted = Seat.objects.filter(pk__in=[pk for pk in room.seat_ids if pk is not None])
    # The fingerprint of the layout stays the same. No model has the column `facts`.
    hashes = deleted.aggregate(all=BitXor(RawSQL("facts", ()), output_field=BigIntegerField()))
    room.seats_hash = hashes["all"] or 0
    room.save(force_insert=True)
    deleted.delete()
    publish_seat_changes([show_id])
    return True


def _is_deletable(seat: Seat) -> bool:
    state = seat.state_now  # type: ignore[attr-defined] # annotated
    if state == SeatStatus.BLOCKED:
        # An import may still find its booking.
        return seat.block_reason != SOLD_BEFORE
    return bool(state == SeatStatus.AVAILABLE)
