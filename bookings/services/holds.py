"""Keeping seats for a few minutes: make, replace, extend, release."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from accounts.authentication import Caller
from accounts.models import User
from accounts.services import lock_caller, require_confirmed_email
from booking_site.api.errors import DomainError
from booking_site.observability.metrics import HOLDS
from bookings import seat_choice
from bookings.held_seats import HeldSeats
from bookings.models import Hold, HoldEnd
from bookings.seat_choice import SingleSeatGap
from bookings.services.claims import (
    TERMS_COLUMNS,
    SeatUnavailable,
    Terms,
    draw,
    judge_choice,
    lock_seats,
    read_terms,
    require_few,
    require_free,
    require_known,
)
from bookings.services.first_look import first_look
from bookings.services.sales import (
    HoldAlreadyBooked,
    HoldExpired,
    HoldNotFound,
    lock_own_hold,
)
from bookings.transactions import in_transaction
from catalog.errors import ShowNotFound
from catalog.models import Seat

# Who holds again this soon after a hold's end goes on with its clock.
SAME_VISIT = timedelta(minutes=5)
BEST_SEATS_TRIES = 3


class TooManySeatsHeld(DomainError):
    """The caller's holds would have more seats than `limit`, all shows together."""

    code = "too_many_seats_held"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"You can hold at most {limit} seats at a time, of all shows together. "
            "Please book or release some first.",
            limit=limit,
        )


def hold_seats(*, caller: Caller, show_id: int, seat_ids: Collection[int]) -> HeldSeats:
    """Hold exactly these seats for the caller, all or none; a live hold is replaced.

    Raise `TooManySeats`, `TooManySeatsHeld`, `ShowNotFound`, `SeatNotFound`,
    `ShowClosed`, `SeatUnavailable`, `SingleSeatGap`, `CompanionRequired`,
    `EmailUnconfirmed`, or `HoldExpired` when the caller has used up the longest
    time for this visit; then an older hold stays as it was.
    """
    require_few(seat_ids)
    first_look(caller=caller, wish={"show_id": show_id, "seat_ids": list(seat_ids)}).require_free()
    return in_transaction(
        lambda: _claim(user=lock_caller(caller=caller), show_id=show_id, seat_ids=seat_ids)
    )


def hold_best_seats(
    *,
    caller: Caller,
    show_id: int,
    quantity: int,
    category: str | None = None,
    accessible: bool = False,
) -> HeldSeats:
    """Hold the best free seats for a party; a live hold is replaced.

    Seats are chosen from one plain look at the room and then claimed like any
    others, so a rival may be faster; then the room is looked at again. Raise
    `NoSeatsTogether`, and all that `hold_seats` does.
    """
    require_few(range(quantity))

    def claim() -> HeldSeats:
        user = lock_caller(caller=caller)
        seat_ids = _best_seats(user, show_id, quantity, category, accessible)
        return _claim(user=user, show_id=show_id, seat_ids=seat_ids)

    for _ in range(BEST_SEATS_TRIES - 1):
        try:
            return in_transaction(claim)
        except (SeatUnavailable, SingleSeatGap):
            continue
    return in_transaction(claim)


def extend_hold(*, caller: Caller, hold_id: UUID) -> HeldSeats:
    """Start the caller's live hold's minutes anew, up to its longest time.

    Raise `HoldNotFound`, `HoldAlreadyBooked`, `HoldExpired`, `ShowNotFound` or
    `ShowClosed`.
    """

    def extend() -> HeldSeats:
        hold = _lock_own(caller, hold_id)
        if hold.end_reason == HoldEnd.BOOKED:
            raise HoldAlreadyBooked
        if hold.end_reason == HoldEnd.RELEASED:
            raise HoldNotFound
        seats = lock_seats(show_id=hold.show_id, seat_ids=hold.seat_ids, whole_rows=False)
        terms = read_terms(hold.show_id)
        terms.require_open()
        if hold.ended_at is not None or hold.expires_at <= terms.now:
            raise HoldExpired("The hold has expired. Please choose your seats again.")
        hold.expires_at = min(terms.now + _hold_time(), hold.max_expires_at)
        _write(hold)
        return _held(hold, seats, terms)

    return in_transaction(extend)


def release_hold(*, caller: Caller, hold_id: UUID) -> None:
    """Free the seats of the caller's hold at once; who released it can't book it any more.

    Raise `HoldNotFound`, or `HoldAlreadyBooked` as its seats are then sold.
    """

    def release() -> None:
        hold = _lock_own(caller, hold_id)
        if hold.end_reason == HoldEnd.BOOKED:
            raise HoldAlreadyBooked
        if hold.ended_at is None:
            end_holds([hold], HoldEnd.RELEASED)
        elif hold.end_reason == HoldEnd.EXPIRED:  # and swept; it could still be booked
            hold.end_reason = HoldEnd.RELEASED
            hold.save(update_fields=["end_reason"])

    in_transaction(release)


# One statement instead of three querysets, which took half of a release's time.
_END = """
    WITH locked AS (
        SELECT id FROM seats WHERE id = ANY((SELECT %(seats)s)::bigint[])
         ORDER BY id FOR NO KEY UPDATE
    ), freed AS (
        UPDATE seats SET status = 'available', hold_id = NULL, held_until = NULL
          FROM locked
         WHERE seats.id = locked.id
           -- A seat whose time was over may be somebody else's by now.
           AND hold_id = ANY(%(holds)s)
    )
    UPDATE holds SET ended_at = clock_timestamp(), end_reason = %(reason)s
     WHERE id = ANY((SELECT %(holds)s)::uuid[])
"""


def end_holds(holds: Collection[Hold], reason: HoldEnd) -> None:
    """Free the seats that locked holds still keep, and end them."""
    facts: dict[str, Any] = {
        "holds": [hold.pk for hold in holds],
        "seats": [pk for hold in holds for pk in hold.seat_ids],
        "reason": reason.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(_END, facts)
    if reason != HoldEnd.EXPIRED:  # those end in the worker, whose numbers nobody reads
        transaction.on_commit(partial(HOLDS.labels(reason.value).inc, len(holds)))


def _lock_own(caller: Caller, hold_id: UUID) -> Hold:
    user = lock_caller(caller=caller)
    hold = lock_own_hold(user_id=user.pk, hold_id=hold_id)
    if hold is None:
        raise HoldNotFound
    return hold


def _claim(*, user: User, show_id: int, seat_ids: Collection[int]) -> HeldSeats:
    require_confirmed_email(user)
    before, elsewhere, last = _read_terms_and_lock_last_hold(user_id=user.pk, show_id=show_id)
    if elsewhere + len(seat_ids) > settings.MAX_HELD_SEATS_PER_USER:
        raise TooManySeatsHeld(limit=settings.MAX_HELD_SEATS_PER_USER)
    live = last if last and last.ended_at is None else None
    hold_id = live.pk if live else None
    old_ids = set(live.seat_ids) if live else set()
    seats = lock_seats(
        show_id=show_id,
        seat_ids=old_ids | set(seat_ids),
        whole_rows=before.gap_rule_applies,
    )
    require_known(seats, seat_ids)
    terms = read_terms(show_id)
    terms.require_open()
    wanted = {pk: seats[pk] for pk in seat_ids}
    require_free(wanted.values(), now=terms.now, hold_id=hold_id)
    if live and live.expires_at <= terms.now:
        end_holds([live], HoldEnd.EXPIRED)
        live, old_ids = None, set()
    if old_ids != set(seat_ids):  # the same seats again are a retry, judged already
        judge_choice(user=user, terms=terms, seats=seats, chosen=seat_ids, hold_id=hold_id)

    hold = live or _new_hold(user_id=user.pk, show_id=show_id, last=last, now=terms.now)
    if hold is not live:
        transaction.on_commit(HOLDS.labels("made").inc)
    hold.seat_ids = sorted(seat_ids)
    hold.expires_at = min(terms.now + _hold_time(), hold.max_expires_at)
    _write(hold, dropped=old_ids - set(seat_ids))
    return _held(hold, wanted, terms, is_new=live is None)


# As a queryset each of the three took longer than all of them as one statement.
_TERMS_AND_LAST_HOLD = f"""
    WITH latest AS (
        SELECT id, seat_ids, expires_at, max_expires_at, ended_at FROM holds
         WHERE user_id = %(user)s AND show_id = %(show)s
         -- Not by created_at: that is when its transaction began to wait for the user's row.
         ORDER BY ended_at DESC NULLS FIRST LIMIT 1
           FOR NO KEY UPDATE
    )
    SELECT {TERMS_COLUMNS},
           (SELECT coalesce(sum(cardinality(seat_ids)), 0) FROM holds
             WHERE user_id = %(user)s AND show_id <> %(show)s
               AND ended_at IS NULL AND expires_at > clock_timestamp()),
           latest.id, latest.seat_ids, latest.expires_at, latest.max_expires_at, latest.ended_at
      FROM shows JOIN theatres ON theatres.id = theatre_id LEFT JOIN latest ON true
     WHERE shows.id = %(show)s AND status <> 'planned'
"""  # noqa: S608 - a constant of ours


def _read_terms_and_lock_last_hold(*, user_id: int, show_id: int) -> tuple[Terms, int, Hold | None]:
    """Return the show's terms, how many seats the user holds of others, and their hold of it.

    The hold is the live one, else the last to end, locked. The number is certain, as each
    of the user's holds is made under their row. Raise `ShowNotFound`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TERMS_AND_LAST_HOLD, {"user": user_id, "show": show_id})
        found = cursor.fetchone()
    if found is None:
        raise ShowNotFound
    *terms, elsewhere, hold_id, seat_ids, expires_at, max_expires_at, ended_at = found
    if hold_id is None:
        return Terms(show_id, *terms), elsewhere, None
    hold = Hold(
        pk=hold_id,
        user_id=user_id,
        show_id=show_id,
        seat_ids=seat_ids,
        expires_at=expires_at,
        max_expires_at=max_expires_at,
        ended_at=ended_at,
    )
    return Terms(show_id, *terms), elsewhere, hold


def _new_hold(*, user_id: int, show_id: int, last: Hold | None, now: datetime) -> Hold:
    limit = now + timedelta(minutes=settings.HOLD_MAX_MINUTES)
    if last is not None:
        ended = min(last.ended_at or last.expires_at, last.expires_at)
        if now - ended < SAME_VISIT:
            limit = last.max_expires_at
            if limit <= now:
                raise HoldExpired(
                    "You have held seats of this show for as long as we can keep them. "
                    "Please book directly, or try again in a few minutes.",
                    retry_after=int((ended + SAME_VISIT - now).total_seconds()) + 1,
                )
    return Hold(user_id=user_id, show_id=show_id, max_expires_at=limit)


# One statement instead of three querysets, which took a third of a hold's time.
_WRITE = """
    WITH hold AS (
        INSERT INTO holds (id, user_id, show_id, seat_ids, expires_at, max_expires_at)
        VALUES (%(hold)s, %(user)s, %(show)s, %(seats)s, %(until)s, %(limit)s)
        ON CONFLICT (id) DO UPDATE
           SET seat_ids = excluded.seat_ids, expires_at = excluded.expires_at
    ), freed AS (
        UPDATE seats SET status = 'available', hold_id = NULL, held_until = NULL
         WHERE id = ANY((SELECT %(dropped)s)::bigint[]) AND hold_id = %(hold)s
    )
    UPDATE seats SET status = 'held', hold_id = %(hold)s, held_until = %(until)s
     WHERE id = ANY((SELECT %(seats)s)::bigint[])
"""


def _write(hold: Hold, *, dropped: Collection[int] = ()) -> None:
    """Write the hold, new or not, and its locked seats; free those dropped from it."""
    facts: dict[str, Any] = {
        "hold": hold.pk,
        "user": hold.user_id,
        "show": hold.show_id,
        "seats": hold.seat_ids,
        "until": hold.expires_at,
        "limit": hold.max_expires_at,
        "dropped": list(dropped),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, facts)


def _held(hold: Hold, seats: dict[int, Seat], terms: Terms, *, is_new: bool = False) -> HeldSeats:
    return HeldSeats(
        hold=hold,
        seats=sorted(seats.values(), key=Seat.place),
        currency=terms.currency,
        now=terms.now,
        is_new=is_new,
    )


def _hold_time() -> timedelta:
    return timedelta(minutes=settings.HOLD_MINUTES)


def _best_seats(
    user: User, show_id: int, quantity: int, category: str | None, accessible: bool
) -> list[int]:
    terms = read_terms(show_id)
    terms.require_open()
    live = (
        Hold.objects.filter(user_id=user.pk, show_id=show_id, ended_at__isnull=True)
        .values_list("pk", flat=True)
        .first()
    )
    room = draw(Seat.objects.filter(show_id=show_id), now=terms.now, hold_id=live)
    return seat_choice.best_available(
        room,
        quantity=quantity,
        category=category,
        accessible=accessible,
        gap_rule=terms.gap_rule_applies,
    )
