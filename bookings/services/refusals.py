"""Finds the seats that a purchase was refused for, and refuses taken seats early in a rush."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic

from django.db import IntegrityError

from accounts.authentication import Caller
from accounts.services import READ_CALLER, locked_caller, require_confirmed_email
from booking_site.api.errors import violated_constraint
from booking_site.postgres.pipeline import Statement, execute
from bookings.idempotency import FIND
from bookings.services.seat_locks import (
    TERMS,
    SeatsMissing,
    SeatUnavailable,
    read_terms,
    require_few,
    terms_of,
)
from catalog.seat_maps import SeatNotFound


@contextmanager
def refusals_explained(
    *, show_id: int, seat_ids: Collection[int], user_id: int | None = None
) -> Iterator[None]:
    """Raise the reason if seats could not be locked or written.

    It is `ShowClosed`, `SalesNotOpen`, `SeatNotFound` or `SeatUnavailable`.

    It wraps the transaction, so no lock is left while it reads which seats were the reason.
    The constraint `booking_one_live_per_seat` catches bookings that plain SQL has inserted
    without updating the seat.
    """
    try:
        yield
        return
    except SeatsMissing as error:
        reason: Exception = error
        suspects = error.seat_ids
    except IntegrityError as error:
        if violated_constraint(error) != "booking_one_live_per_seat":
            raise
        reason = error
        suspects = seat_ids
    taken = taken_seats(show_id=show_id, seat_ids=seat_ids, user_id=user_id)
    if missing := set(seat_ids) - taken.keys():
        # Unsold seats of an old show have been deleted.
        read_terms(show_id).require_open()
        raise SeatNotFound(seat_ids=sorted(missing)) from reason
    _note_demand(show_id)
    # If all are free now, name the seats that could not be locked a moment ago.
    seat_ids = [pk for pk in taken if taken[pk]] or suspects
    raise SeatUnavailable(seat_ids=sorted(seat_ids)) from reason


# `ANY((SELECT …))` hides the ids from the planner, as in `AmongLookup`.
_TAKEN = Statement("""
    SELECT id, status IN ('booked', 'blocked')
               OR held_until > clock_timestamp() AND hold_id NOT IN (
                   SELECT id FROM holds WHERE user_id = %(user_id)s AND ended_at IS NULL)
               OR EXISTS (SELECT FROM bookings
                           WHERE bookings.seat_id = seats.id AND cancelled_at IS NULL)
      FROM seats WHERE show_id = %(show_id)s AND id = ANY((SELECT %(seat_ids)s::bigint[])::bigint[])
""")


def taken_seats(*, show_id: int, seat_ids: Collection[int], user_id: int | None) -> dict[int, bool]:
    """Return whether each seat is taken for the user, by id, for the seats that the show has."""
    rows = _TAKEN.rows(show_id=show_id, seat_ids=list(seat_ids), user_id=user_id)
    return {seat_id: bool(is_taken) for seat_id, is_taken in rows}


# When this process last refused a taken seat, by show id. In a rush most purchases are refused,
# and refusing them by plain reads is cheaper than by locks.
_refused_at: dict[int, float] = {}
RUSH_SECONDS = 2.0
MAX_SHOWS = 1000


def in_demand(show_id: int) -> bool:
    """Return whether a purchase of the show's seats was refused in the last RUSH_SECONDS."""
    return monotonic() - _refused_at.get(show_id, -inf) < RUSH_SECONDS


def _note_demand(show_id: int) -> None:
    if len(_refused_at) >= MAX_SHOWS:
        _refused_at.clear()
    _refused_at[show_id] = monotonic()


def precheck(
    *, caller: Caller, operation: str, key: str, show_id: int, seat_ids: Collection[int]
) -> None:
    """Raise `SeatUnavailable` if plain reads, without a lock, find taken seats.

    A purchase that would be refused for another reason as well is refused for the one that the
    transaction would give. The key's record is read after the seats, so that a retry is not
    refused because of its own booking.
    """
    taken, shows, records, callers = execute(
        _TAKEN(user_id=caller.id, show_id=show_id, seat_ids=list(seat_ids)),
        TERMS(show_id=show_id),
        FIND(user_id=caller.id, operation=operation, key=key),
        READ_CALLER(**caller.claims),
    )
    seats = {seat_id for seat_id, is_taken in taken if is_taken}
    if seats and len(taken) == len(seat_ids) and shows and not records:
        user = locked_caller(callers)
        require_few(seat_ids)
        require_confirmed_email(user)
        terms_of(shows).require_open()
        _note_demand(show_id)
        raise SeatUnavailable(seat_ids=sorted(seats))
