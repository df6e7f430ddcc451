"""Holds seats for a few minutes: creates, replaces, extends and releases holds."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.authentication import Caller, require_active
from accounts.services import LOCK_CALLER, locked_caller, require_confirmed_email
from booking_site.api.errors import DomainError
from booking_site.api.openapi.values import COUNT
from booking_site.observability.metrics import HOLDS
from booking_site.postgres.pipeline import Call, Param, Statement, execute, execute_with_commit
from bookings import seat_choice
from bookings.held_seats import HeldSeats
from bookings.models import Hold, HoldEnd
from bookings.seat_choice import SingleSeatGap
from bookings.services.refusals import refusals_explained
from bookings.services.sales import (
    LOCK_OWN_HOLD,
    HoldAlreadyBooked,
    HoldExpired,
    HoldNotFound,
    LockedHold,
    own_hold,
)
from bookings.services.seat_locks import (
    TERMS,
    TERMS_OF_HOLD,
    LockedSeat,
    SeatUnavailable,
    Terms,
    check_choice,
    lock_seats_of_hold,
    lock_wanted,
    locked_seats,
    places_of,
    read_terms,
    require_few,
    require_free,
    require_locked,
    terms_of,
)
from bookings.transactions import in_transaction
from catalog.models import Seat
from catalog.seat_changes import publish_seat_changes

# A new hold this soon after the last one has ended does not start a new maximum time.
SAME_VISIT = timedelta(minutes=5)
BEST_SEATS_TRIES = 3


class TooManySeatsHeld(DomainError):
    """The caller's holds would have more than `limit` seats, across all shows."""

    code = "too_many_seats_held"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    members = {"limit": COUNT}


def hold_seats(*, caller: Caller, show_id: int, seat_ids: Collection[int]) -> HeldSeats:
    """Hold exactly these seats for the caller, all or none; a live hold is replaced.

    Raise `TooManySeats`, `TooManySeatsHeld`, `ShowNotFound`, `SeatNotFound`, `ShowClosed`,
    `SalesNotOpen`, `SeatUnavailable`, `SingleSeatGap`, `CompanionRequired`, `EmailUnconfirmed`,
    or `HoldExpired` if the caller has used up the maximum time. Then a live hold does not change.
    """
    with refusals_explained(show_id=show_id, seat_ids=seat_ids, user_id=caller.id):
        return in_transaction(lambda: _claim(caller, show_id, seat_ids))


def hold_best_seats(
    *,
    caller: Caller,
    show_id: int,
    quantity: int,
    category: str | None = None,
    accessible: bool = False,
) -> HeldSeats:
    """Hold the best free seats for a party; a live hold is replaced.

    The seats are chosen from a snapshot of the room, and then held by `hold_seats`. If another
    customer was faster, others are chosen, up to BEST_SEATS_TRIES times. Raise
    `NoSeatsTogether`, or an error of `hold_seats`.
    """
    require_few(range(quantity))
    for tries_left in reversed(range(BEST_SEATS_TRIES)):
        require_active(caller)
        seat_ids = _best_seats(caller, show_id, quantity, category, accessible)
        try:
            return hold_seats(caller=caller, show_id=show_id, seat_ids=seat_ids)
        except (SeatUnavailable, SingleSeatGap):
            if not tries_left:
                raise
    raise AssertionError("The last try returns or raises.")


def extend_hold(*, caller: Caller, hold_id: UUID) -> HeldSeats:
    """Extend the caller's live hold by its full time from now, up to its maximum time.

    Raise `HoldNotFound`, `HoldAlreadyBooked`, `HoldExpired`, `ShowNotFound`, `ShowClosed` or
    `SalesNotOpen`.
    """
    own: dict[str, Any] = {"user_id": caller.id, "hold_id": hold_id}

    def extend() -> HeldSeats:
        callers, holds, seats, shows = execute(
            LOCK_CALLER(**caller.claims),
            LOCK_OWN_HOLD(**own),
            lock_seats_of_hold(**own),
            TERMS_OF_HOLD(**own),
        )
        locked_caller(callers)
        hold = own_hold(holds)
        if hold.end_reason == HoldEnd.BOOKED:
            raise HoldAlreadyBooked
        if hold.end_reason == HoldEnd.RELEASED:
            raise HoldNotFound
        terms = terms_of(shows)
        terms.require_open()
        if hold.ended_at is not None or hold.expires_at <= terms.now:
            raise HoldExpired(_("The hold has expired. Please choose your seats again."))
        hold = hold._replace(expires_at=min(terms.now + _hold_time(), hold.max_expires_at))
        execute_with_commit(_write(hold, user_id=caller.id))
        return _held(hold, locked_seats(seats), terms)

    return in_transaction(extend)


def release_hold(*, caller: Caller, hold_id: UUID) -> None:
    """Free the seats of the caller's hold at once; it can't be booked any more.

    Raise `HoldNotFound` or `HoldAlreadyBooked`.
    """

    def release() -> None:
        callers, holds = execute(
            LOCK_CALLER(**caller.claims), LOCK_OWN_HOLD(user_id=caller.id, hold_id=hold_id)
        )
        locked_caller(callers)
        hold = own_hold(holds)
        if hold.end_reason == HoldEnd.BOOKED:
            raise HoldAlreadyBooked
        if hold.ended_at is None:
            execute_with_commit(_ending([hold], HoldEnd.RELEASED))
        elif hold.end_reason == HoldEnd.EXPIRED:
            # An expired hold could still be booked, unlike a released one.
            Hold.objects.filter(pk=hold.id).update(end_reason=HoldEnd.RELEASED)

    in_transaction(release)


_END = Statement("""
    WITH locked AS (
        SELECT id FROM seats WHERE id = ANY((SELECT %(seat_ids)s::bigint[])::bigint[])
         ORDER BY id FOR NO KEY UPDATE
    ), freed AS (
        UPDATE seats SET status = 'available', hold_id = NULL, held_until = NULL
          FROM locked
         WHERE seats.id = locked.id
           -- Someone else may hold a seat whose time had expired.
           AND hold_id = ANY(%(hold_ids)s::uuid[])
    )
    UPDATE holds SET ended_at = clock_timestamp(), end_reason = %(reason)s
     WHERE id = ANY((SELECT %(hold_ids)s::uuid[])::uuid[])
""")


def end_holds(holds: Collection[Hold | LockedHold], reason: HoldEnd) -> None:
    """End locked holds, and free the seats that they still hold."""
    execute(_ending(holds, reason))


def release_holds_of(*, user_ids: Collection[int]) -> None:
    """Release all live holds of users, whose rows are locked."""
    live = Hold.objects.filter(user_id__in=user_ids, ended_at__isnull=True).order_by("pk")
    end_holds(list(live.select_for_update(of=("self",), no_key=True)), HoldEnd.RELEASED)


def _ending(holds: Collection[Hold | LockedHold], reason: HoldEnd) -> Call:
    if reason != HoldEnd.EXPIRED:  # the worker ends those, and its metrics are not exported
        transaction.on_commit(partial(HOLDS.labels(reason.value).inc, len(holds)))
    publish_seat_changes(hold.show_id for hold in holds)
    return _END(
        hold_ids=[hold.id for hold in holds],
        seat_ids=[pk for hold in holds for pk in hold.seat_ids],
        reason=reason.value,
    )


def _claim(caller: Caller, show_id: int, seat_ids: Collection[int]) -> HeldSeats:
    wanted = {"user_id": caller.id, "show_id": show_id}
    callers, holds, seat_rows, shows, elsewhere = execute(
        LOCK_CALLER(**caller.claims),
        _LOCK_LAST_HOLD(**wanted),
        lock_wanted(**wanted, seat_ids=seat_ids),
        TERMS(show_id=show_id),
        _COUNT_ELSEWHERE(**wanted),
    )
    user = locked_caller(callers)
    require_few(seat_ids)
    require_confirmed_email(user)
    terms, seats = terms_of(shows), locked_seats(seat_rows)
    _require_few_held(elsewhere[0][0] + len(seat_ids))
    terms.require_open()
    require_locked(seats, seat_ids)
    last = LockedHold(*holds[0]) if holds else None
    live = last if last and last.ended_at is None else None
    hold_id = live.id if live else None
    chosen = {pk: seats[pk] for pk in seat_ids}
    require_free(chosen.values(), now=terms.now, hold_id=hold_id)
    writes = []
    if live and live.expires_at <= terms.now:
        writes.append(_ending([live], HoldEnd.EXPIRED))
        live = None
    old_ids = set(live.seat_ids) if live else set()
    if old_ids != set(seat_ids):  # otherwise it is a retry, and the seats were checked
        check_choice(user_id=caller.id, terms=terms, seats=seats, chosen=seat_ids, hold_id=hold_id)
    hold = live or _new_hold(show_id=show_id, last=last, now=terms.now)
    hold = hold._replace(
        seat_ids=sorted(seat_ids),
        expires_at=min(terms.now + _hold_time(), hold.max_expires_at),
    )
    if not live:
        transaction.on_commit(HOLDS.labels("made").inc)
    writes.append(_write(hold, user_id=caller.id, dropped=old_ids - set(seat_ids)))
    execute_with_commit(*writes)
    return _held(hold, chosen, terms, is_new=live is None)


def _require_few_held(count: int) -> None:
    """Raise `TooManySeatsHeld` if a user cannot hold that many seats across all shows."""
    limit = settings.MAX_HELD_SEATS_PER_USER
    if count > limit:
        message = ngettext(
            "You can hold at most %(limit)d seat at a time, across all shows. "
            "Please book or release some first.",
            "You can hold at most %(limit)d seats at a time, across all shows. "
            "Please book or release some first.",
            limit,
        )
        raise TooManySeatsHeld(message % {"limit": limit}, limit=limit)


_LOCK_LAST_HOLD = Statement(
    lambda: (
        Hold.objects.filter(user_id=Param("user_id"), show_id=Param("show_id"))
        # Not by created_at: a transaction sets it before it waits for the user's row.
        .order_by(F("ended_at").desc(nulls_first=True))
        .select_for_update(of=("self",), no_key=True)
        .values_list(*LockedHold._fields)[:1]
    )
)
# Exact, because the user's row is locked whenever one of their holds is created.
_COUNT_ELSEWHERE = Statement("""
    SELECT coalesce(sum(cardinality(seat_ids)), 0) FROM holds
     WHERE user_id = %(user_id)s AND show_id <> %(show_id)s
       AND ended_at IS NULL AND expires_at > clock_timestamp()
""")


def _new_hold(*, show_id: int, last: LockedHold | None, now: datetime) -> LockedHold:
    limit = now + timedelta(minutes=settings.HOLD_MAX_MINUTES)
    if last is not None:
        ended = min(last.ended_at or last.expires_at, last.expires_at)
        if now - ended < SAME_VISIT:
            limit = last.max_expires_at
            if limit <= now:
                raise HoldExpired(
                    _(
                        "You have held seats of this show for as long as possible. "
                        "Please book directly, or try again in a few minutes."
                    ),
                    retry_after=int((ended + SAME_VISIT - now).total_seconds()) + 1,
                )
    return LockedHold(uuid4(), show_id, [], limit, limit, None, "")


_WRITE = Statement("""
    WITH hold AS (
        INSERT INTO holds (id, user_id, show_id, seat_ids, expires_at, max_expires_at)
        VALUES (%(hold_id)s, %(user_id)s, %(show_id)s, %(seat_ids)s, %(until)s, %(limit)s)
        ON CONFLICT (id) DO UPDATE
           SET seat_ids = excluded.seat_ids, expires_at = excluded.expires_at
    ), freed AS (
        UPDATE seats SET status = 'available', hold_id = NULL, held_until = NULL
         WHERE id = ANY((SELECT %(dropped)s::bigint[])::bigint[]) AND hold_id = %(hold_id)s
    )
    UPDATE seats SET status = 'held', hold_id = %(hold_id)s, held_until = %(until)s
     WHERE id = ANY((SELECT %(seat_ids)s::bigint[])::bigint[])
""")


def _write(hold: LockedHold, *, user_id: int, dropped: Collection[int] = ()) -> Call:
    """Return the call that writes the hold and its locked seats, and frees the dropped ones."""
    publish_seat_changes([hold.show_id])
    return _WRITE(
        hold_id=hold.id,
        user_id=user_id,
        show_id=hold.show_id,
        seat_ids=hold.seat_ids,
        until=hold.expires_at,
        limit=hold.max_expires_at,
        dropped=list(dropped),
    )


def _held(
    hold: LockedHold, seats: dict[int, LockedSeat], terms: Terms, *, is_new: bool = False
) -> HeldSeats:
    return HeldSeats(
        hold=hold,
        seats=sorted(seats.values(), key=LockedSeat.place),
        currency=terms.currency,
        now=terms.now,
        is_new=is_new,
    )


def _hold_time() -> timedelta:
    return timedelta(minutes=settings.HOLD_MINUTES)


def _best_seats(
    caller: Caller, show_id: int, quantity: int, category: str | None, accessible: bool
) -> list[int]:
    terms = read_terms(show_id)
    terms.require_open()
    live = (
        Hold.objects.filter(user_id=caller.id, show_id=show_id, ended_at__isnull=True)
        .values_list("pk", flat=True)
        .first()
    )
    room = places_of(Seat.objects.filter(show_id=show_id), now=terms.now, hold_id=live)
    return seat_choice.best_available(
        room,
        quantity=quantity,
        category=category,
        accessible=accessible,
        gap_rule=terms.gap_rule_applies,
    )
