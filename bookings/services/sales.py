"""Selling seats: directly, or those that a hold has kept."""

import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services import require_confirmed_email
from booking_site.api.errors import DomainError, violated_constraint
from booking_site.observability.metrics import HOLDS
from booking_site.postgres.compiled import Compiled, Given
from booking_site.postgres.statements import Statement
from bookings.models import Booking, Channel, Hold, HoldEnd, Order
from bookings.services.claims import (
    TERMS_COLUMNS,
    SeatUnavailable,
    Terms,
    is_free,
    judge_choice,
    lock_seats,
    read_terms,
    require_few,
    require_free,
    require_known,
)
from catalog.errors import ShowNotFound
from catalog.models import ClockTimestamp, Seat

# Of look-alikes (0 O, 1 I L, 2 Z, 5 S, 8 B, U V) at most one: it is read out over the counter.
REFERENCE_LETTERS = "ACDEFGHJKMNPQRTVWXY34679"


class HoldNotFound(DomainError):
    """The caller has no such hold."""

    code = "hold_not_found"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("You have no such hold.")


class HoldExpired(DomainError):
    """The hold is over, and its seats are not all free any more."""

    code = "hold_expired"

    def __init__(
        self,
        message: str = "The hold has expired and some of its seats are taken by now.",
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)


class HoldAlreadyBooked(DomainError):
    """The seats of the hold are already booked."""

    code = "hold_already_booked"

    def __init__(self) -> None:
        super().__init__("The seats of this hold are already booked.")


def book_seats(
    *, user: User, show_id: int, seat_ids: Collection[int], with_mail: bool = True
) -> list[Booking]:
    """Sell the seats, all or none, and return the bookings as `sell` does.

    The user's row is locked. Seats that the user holds are taken out of the
    hold; what is left of it stays held. Raise `TooManySeats`, `ShowNotFound`,
    `SeatNotFound`, `ShowClosed`, `SeatUnavailable`, `SingleSeatGap`,
    `CompanionRequired` or `EmailUnconfirmed`.
    """
    require_few(seat_ids)
    require_confirmed_email(user)
    before, hold = read_terms_and_lock_hold(show_id=show_id, user_id=user.pk)
    hold_id, held_ids = (hold.pk, hold.seat_ids) if hold else (None, [])
    seats = lock_seats(
        show_id=show_id,
        seat_ids={*seat_ids, *held_ids},
        whole_rows=before.gap_rule_applies,
    )
    require_known(seats, seat_ids)
    terms = read_terms(show_id)
    terms.require_open()
    wanted = [seats[pk] for pk in seat_ids]
    require_free(wanted, now=terms.now, hold_id=hold_id)

    held = set(held_ids) if hold and hold.expires_at > terms.now else set()
    if not held.issuperset(seat_ids):
        judge_choice(
            user=user,
            terms=terms,
            seats=seats,
            chosen=seat_ids,
            hold_id=hold_id,
            kept=held.difference(seat_ids),
        )
    order = Order(user=user, channel=Channel.WEB)
    bookings = sell(order=order, terms=terms, seats=wanted, with_mail=with_mail)
    if hold:
        take_out_of_hold(hold, seat_ids)
    return bookings


def book_hold(*, user: User, hold_id: UUID) -> list[Booking]:
    """Sell the seats of the user's hold and return the bookings as `sell` does.

    The user's row is locked. A hold that is over is sold all the same while
    all its seats are free. Raise `HoldNotFound`, `HoldExpired`,
    `HoldAlreadyBooked`, `ShowNotFound`, `ShowClosed` or `EmailUnconfirmed`.
    """
    require_confirmed_email(user)
    hold = lock_own_hold(user_id=user.pk, hold_id=hold_id)
    if hold is None or hold.end_reason == HoldEnd.RELEASED:
        raise HoldNotFound
    if hold.end_reason == HoldEnd.BOOKED:
        raise HoldAlreadyBooked
    seats = lock_seats(show_id=hold.show_id, seat_ids=hold.seat_ids, whole_rows=False)
    terms = read_terms(hold.show_id)
    terms.require_open()
    # A room can be laid anew once a hold is over: then its seats are gone.
    all_there = len(seats) == len(hold.seat_ids)
    if not all_there or not all(
        is_free(seat, now=terms.now, hold_id=hold_id) for seat in seats.values()
    ):
        raise HoldExpired
    order = Order(user=user, channel=Channel.WEB)
    bookings = sell(order=order, terms=terms, seats=seats.values())
    _end_hold(hold, HoldEnd.BOOKED)
    return bookings


OWN_HOLD_LOCKED = Compiled(
    lambda: (
        Hold.objects.filter(pk=Given("hold_id"), user_id=Given("user_id"))
        .order_by()
        .select_for_update(of=("self",), no_key=True)
    )
)


def lock_own_hold(*, user_id: int, hold_id: UUID) -> Hold | None:
    """Return the user's hold, locked until the transaction ends, whatever became of it."""
    return OWN_HOLD_LOCKED.first(user_id=user_id, hold_id=hold_id)


# Both are asked for in every booking: as two statements they took a twentieth of its time.
TERMS_AND_HOLD = Statement(f"""
    WITH hold AS (
        SELECT id, seat_ids, expires_at FROM holds
         WHERE user_id = %(user)s AND show_id = %(show)s AND ended_at IS NULL
           FOR NO KEY UPDATE
    )
    SELECT {TERMS_COLUMNS}, hold.id, hold.seat_ids, hold.expires_at
      FROM shows JOIN theatres ON theatres.id = theatre_id LEFT JOIN hold ON true
     WHERE shows.id = %(show)s AND status <> 'planned'
""")  # noqa: S608 - a constant of ours


def read_terms_and_lock_hold(*, show_id: int, user_id: int) -> tuple[Terms, Hold | None]:
    """Return what `read_terms` does, and the user's hold for the show, locked, if there is one.

    The hold's time may be over, unnoticed so far. Raise `ShowNotFound`.
    """
    found = TERMS_AND_HOLD.row(show=show_id, user=user_id)
    if found is None:
        raise ShowNotFound
    *terms, hold_id, seat_ids, expires_at = found
    if hold_id is None:
        return Terms(show_id, *terms), None
    hold = Hold(
        pk=hold_id, user_id=user_id, show_id=show_id, seat_ids=seat_ids, expires_at=expires_at
    )
    hold._state.adding = False
    return Terms(show_id, *terms), hold


def take_out_of_hold(hold: Hold, seat_ids: Collection[int]) -> None:
    """Drop booked seats from a locked hold, and end it when none is left."""
    left = [pk for pk in hold.seat_ids if pk not in set(seat_ids)]
    if left == hold.seat_ids:
        return
    if left:
        hold.seat_ids = left
        hold.save(update_fields=["seat_ids"])
    else:
        _end_hold(hold, HoldEnd.BOOKED)


def _end_hold(hold: Hold, reason: HoldEnd) -> None:
    Hold.objects.filter(pk=hold.pk).update(ended_at=ClockTimestamp(), end_reason=reason)
    transaction.on_commit(HOLDS.labels(reason.value).inc)


def sell(
    *, order: Order, terms: Terms, seats: Iterable[Seat], with_mail: bool = True
) -> list[Booking]:
    """Sell locked, free seats; return the bookings by row and number, seat and order loaded.

    `order` is unsaved and says to whom and through which channel; the rest is filled in.
    """
    seats = sorted(seats, key=Seat.place)
    order.reference = new_reference()
    order.show_id = terms.show_id
    order.total = sum((seat.price for seat in seats), start=Decimal(0))
    order.currency = terms.currency
    order.created_at = terms.now
    if with_mail and settings.BOOKING_MAILS:
        order.confirmation_due_at = terms.now
    with last_line_of_defence(seats):
        return _write_sale(order, seats)


@contextmanager
def last_line_of_defence(seats: Iterable[Seat]) -> Iterator[None]:
    """Turn the constraint's refusal of a second live booking into `SeatUnavailable`.

    It only speaks when somebody wrote a booking past the seat's row, and did so just
    now, or `first_look` would have named that very seat.
    """
    try:
        yield
    except IntegrityError as error:
        if violated_constraint(error) == "booking_one_live_per_seat":
            raise SeatUnavailable([seat.pk for seat in seats]) from error
        raise


# One statement instead of three querysets, which took a third of the booking's time.
_SALE = Statement("""
    WITH wanted AS (
        SELECT * FROM unnest(%(seats)s::bigint[], %(prices)s::numeric[])
                      WITH ORDINALITY AS seat (id, price, place)
    ), sold AS (
        UPDATE seats SET status = 'booked', hold_id = NULL, held_until = NULL
         WHERE id = ANY(%(seats)s::bigint[])
    ), purchase AS (
        INSERT INTO orders (reference, user_id, show_id, channel, sold_by_id, customer_name,
                            customer_email, total, currency, created_at, confirmation_due_at)
        VALUES (%(reference)s, %(user)s, %(show)s, %(channel)s, %(sold_by)s, %(customer_name)s,
                %(customer_email)s, %(total)s, %(currency)s, %(now)s,
                %(confirmation_due_at)s)
        RETURNING id
    )
    INSERT INTO bookings (user_id, show_id, seat_id, order_id, price, booked_at)
    SELECT %(user)s, %(show)s, wanted.id, purchase.id, wanted.price, %(now)s
      FROM purchase, wanted ORDER BY wanted.place
    RETURNING order_id, seat_id, id
""")


def _write_sale(order: Order, seats: list[Seat]) -> list[Booking]:
    """Write the order, its bookings and the seats' state.

    Return the bookings in the order of the seats.
    """
    facts: dict[str, Any] = {
        "seats": [seat.pk for seat in seats],
        "prices": [seat.price for seat in seats],
        "reference": order.reference,
        "user": order.user_id,
        "show": order.show_id,
        "channel": order.channel,
        "sold_by": order.sold_by_id,
        "customer_name": order.customer_name,
        "customer_email": order.customer_email,
        "total": order.total,
        "currency": order.currency,
        "now": order.created_at,
        "confirmation_due_at": order.confirmation_due_at,
    }
    written = _SALE.rows(**facts)
    order.pk = written[0][0]
    order._state.adding = False
    numbers = {seat_id: number for _, seat_id, number in written}
    return [
        Booking(
            pk=numbers[seat.pk],
            user=order.user,
            show_id=order.show_id,
            seat=seat,
            order=order,
            price=seat.price,
            booked_at=order.created_at,
        )
        for seat in seats
    ]


def new_reference() -> str:
    """Return a random reference such as `K7Q4-9XWD`; a constraint keeps it unique."""
    # One number, as each drawing asks the system, and every other thread goes first meanwhile.
    number = secrets.randbelow(len(REFERENCE_LETTERS) ** 8)
    letters = ""
    for _ in range(8):
        number, place = divmod(number, len(REFERENCE_LETTERS))
        letters += REFERENCE_LETTERS[place]
    return f"{letters[:4]}-{letters[4:]}"
