"""One plain read before anything is locked: it answers replays and most refusals.

What it allows is judged again under the locks; what it refuses was true when
it was read, so in a rush for a show the many who come too late cost next to
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts.authentication import Caller
from accounts.services import CALLER_LOCKED
from accounts.tokens import TokenRevoked
from booking_site.postgres.statements import Call, Statement
from bookings import replays
from bookings.services.claims import GAP_RULE_ENDS, TERMS, SeatUnavailable, locking_of_seats
from bookings.services.sales import (
    OWN_HOLD_LOCKED,
    TERMS_AND_HOLD,
    HoldAlreadyBooked,
    HoldExpired,
)

_LOOK = Statement("""
    SELECT record.fingerprint, record.status, record.body,
           coalesce(own.end_reason = 'booked', false),
           ARRAY(SELECT seats.id
                   FROM seats
                   LEFT JOIN holds ON holds.id = seats.hold_id
                  WHERE seats.id = ANY(coalesce(own.seat_ids, %(seats)s::bigint[]))
                    AND seats.show_id = shows.id
                    AND shows.status = 'open'
                    AND LEAST(shows.start_time, shows.sales_close_at) > now()
                    AND (seats.status IN ('booked', 'blocked')
                         OR seats.held_until > now()
                            AND holds.user_id IS DISTINCT FROM users.id
                         -- Written past the seat's row, as by plain SQL.
                         OR EXISTS (SELECT FROM bookings
                                     WHERE bookings.seat_id = seats.id
                                       AND bookings.cancelled_at IS NULL))),
           shows.id,
           coalesce(own.seat_ids, %(seats)s::bigint[] || kept.seat_ids),
           own.id IS NULL AND theatres.gap_rule = 'middle_only' AND shows.screen_id IS NOT NULL
               AND shows.start_time > now() + %(gap_rule_ends)s::interval,
           users.email_confirmed_at IS NOT NULL
      FROM users
      LEFT JOIN holds AS own
        ON own.id = %(hold)s AND own.user_id = users.id AND own.end_reason <> 'released'
      LEFT JOIN idempotency_records AS record
        ON (record.user_id, record.operation, record.key)
           = (users.id, %(operation)s, %(key)s)
      LEFT JOIN shows
        ON shows.id = coalesce(own.show_id, %(show)s) AND shows.status <> 'planned'
      LEFT JOIN theatres ON theatres.id = shows.theatre_id
      LEFT JOIN holds AS kept
        ON kept.user_id = users.id AND kept.show_id = %(show)s AND kept.ended_at IS NULL
     WHERE users.id = %(user)s AND users.is_active
       AND users.token_version = %(token_version)s
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """The record of the caller's key, if there is one, and which of the wanted seats are taken."""

    record: replays.Record | None
    is_bought: bool  # the hold by which seats were wanted
    taken: list[int]
    by_hold: bool  # whether the seats were wanted as those of a hold
    # What a purchase will lock, if nothing changes meanwhile: the wanted seats, those that the
    # caller holds in the show, and under the gap rule the rows they stand in.
    show_id: int | None
    to_lock: list[int]
    whole_rows: bool
    is_confirmed: bool  # the caller's e-mail address

    def require_free(self) -> None:
        """Raise `SeatUnavailable` naming the taken seats; for a hold, why it can't be booked."""
        if self.is_bought:
            raise HoldAlreadyBooked
        if self.taken:
            raise HoldExpired if self.by_hold else SeatUnavailable(self.taken)

    def calls_of_purchase(self, *, user_id: int, wish: Mapping[str, Any]) -> list[Call]:
        """Return the lock of the user, and what `book_seats` or `book_hold` will ask after it."""
        caller = CALLER_LOCKED.call(user_id=user_id)
        too_many = len(wish.get("seat_ids", ())) > settings.MAX_SEATS_PER_ORDER
        unconfirmed = settings.EMAIL_CONFIRMATION_REQUIRED and not self.is_confirmed
        if self.show_id is None or too_many or unconfirmed:
            return [caller]  # nobody shall wait for the seats of whom is refused anyway
        if self.by_hold:
            first = OWN_HOLD_LOCKED.call(user_id=user_id, hold_id=wish["hold_id"])
        else:
            first = Call(TERMS_AND_HOLD, {"show": self.show_id, "user": user_id})
        seats = locking_of_seats(
            show_id=self.show_id, seat_ids=set(self.to_lock), whole_rows=self.whole_rows
        )
        return [caller, first, seats, Call(TERMS, {"show": self.show_id})]


def first_look(
    *, caller: Caller, wish: Mapping[str, Any], name: replays.Name | None = None
) -> FirstLook:
    """Look in one statement at the caller, the key's record and the seats that the wish names.

    `wish` may have a `show_id` and `seat_ids`, or a `hold_id`, which stands for
    the seats of the caller's own hold that may still be bought. Seats count as
    taken when they are sold, blocked or held by somebody else, while the show
    is on sale; why it is not is for the locked path to say. One snapshot: a
    seat that the key's own booking sold is never seen without the key's
    record. Raise `TokenRevoked` when the caller may not act any more.
    """
    row = _LOOK.row(
        seats=wish.get("seat_ids", []),
        show=wish.get("show_id"),
        hold=wish.get("hold_id"),
        operation=name.operation if name else None,
        key=name.key if name else None,
        user=caller.id,
        token_version=caller.token_version,
        gap_rule_ends=GAP_RULE_ENDS,
    )
    if row is None:
        raise TokenRevoked
    *record, is_bought, taken, show_id, to_lock, whole_rows, is_confirmed = row
    return FirstLook(
        record=replays.Record(*record) if record[0] else None,
        is_bought=is_bought,
        taken=taken,
        by_hold="hold_id" in wish,
        show_id=show_id,
        to_lock=to_lock,
        whole_rows=bool(whole_rows),
        is_confirmed=is_confirmed,
    )
