"""Sells seats, chosen directly or from a hold."""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.authentication import Caller
from accounts.services import LockedCaller, require_confirmed_email
from booking_site.api.errors import DomainError
from booking_site.api.fields import utc_text
from booking_site.local_time import zone_named
from booking_site.money import money_text
from booking_site.observability.metrics import HOLDS
from booking_site.postgres.pipeline import Call, Param, Rows, Statement, execute
from bookings import idempotency
from bookings.idempotency import Answer, Decision
from bookings.models import BookingStatus, Channel, Hold, HoldEnd, Order, OrderStatus
from bookings.services.refusals import in_demand, precheck, refusals_explained
from bookings.services.seat_locks import (
    DRAW_IDS,
    TERMS_AND_IDS,
    TERMS_AND_IDS_OF_HOLD,
    LockedSeat,
    ShowNames,
    Terms,
    check_choice,
    is_free,
    lock_seats_of_hold,
    lock_wanted,
    locked_seats,
    require_few,
    require_free,
    require_locked,
    terms_and_ids,
)
from catalog.models import Seat
from catalog.seat_changes import publish_seat_changes
from catalog.selling import cancellable_until

# At most one of each set of look-alikes (0 O, 1 I L, 2 Z, 5 S, 8 B, U V), as references are read
# aloud.
REFERENCE_LETTERS = "ACDEFGHJKMNPQRTVWXY34679"


OPERATION = "book"


class HoldNotFound(DomainError):
    """The caller has no such hold."""

    code = "hold_not_found"
    status = HTTPStatus.NOT_FOUND
    message = _("You have no such hold.")


class HoldExpired(DomainError):
    """The hold has expired, and some of its seats are not free any more."""

    code = "hold_expired"
    message = _("The hold has expired, and some of its seats have been taken.")


class HoldAlreadyBooked(DomainError):
    """The seats of the hold are already booked."""

    code = "hold_already_booked"
    message = _("The seats of this hold are already booked.")


def book(
    *, caller: Caller, key: str, request: Mapping[str, Any], language: str | None = None
) -> Answer:
    """Sell the seats of a `BookingRequest`, all or none, once for the key.

    Seats that the user holds are taken out of the hold; its other seats stay held. An expired
    hold can still be sold if all its seats are free. The order gets `language`, or by default that
    of the user.

    Raise an error of `idempotency.run`, `TooManySeats`, `EmailUnconfirmed`, `ShowNotFound`,
    `SeatNotFound`, `ShowClosed`, `SalesNotOpen`, `SeatUnavailable`, `SingleSeatGap`,
    `CompanionRequired`, `HoldNotFound`, `HoldExpired` or `HoldAlreadyBooked`.
    """
    work: _PurchaseOfSeats | _PurchaseOfHold
    with ExitStack() as stack:
        if "hold_id" in request:
            work = _PurchaseOfHold(caller.id, language, request["hold_id"])
        else:
            work = _PurchaseOfSeats(caller.id, language, request["show_id"], request["seat_ids"])
            stack.enter_context(refusals_explained(user_id=caller.id, **request))
            if in_demand(request["show_id"]):
                precheck(caller=caller, operation=OPERATION, key=key, **request)
        return idempotency.run(
            caller=caller, operation=OPERATION, key=key, request=request, work=work
        )


@dataclass(frozen=True, slots=True)
class _PurchaseOfSeats:
    user_id: int
    language: str | None
    show_id: int
    seat_ids: Collection[int]

    def reads(self) -> list[Call]:
        wanted = {"user_id": self.user_id, "show_id": self.show_id}
        return [
            _LOCK_LIVE_HOLD(**wanted),
            lock_wanted(**wanted, seat_ids=self.seat_ids),
            TERMS_AND_IDS(show_id=self.show_id, bookings=len(self.seat_ids)),
        ]

    def decide(self, user: LockedCaller, rows: Sequence[Rows]) -> Decision:
        holds, seat_rows, show_rows = rows
        require_few(self.seat_ids)
        require_confirmed_email(user)
        terms, names, ids = terms_and_ids(show_rows)
        seats = locked_seats(seat_rows)
        terms.require_open()
        require_locked(seats, self.seat_ids)
        wanted = [seats[pk] for pk in self.seat_ids]
        hold_id, held_ids, expires_at = holds[0] if holds else (None, [], terms.now)
        require_free(wanted, now=terms.now, hold_id=hold_id)
        held = set(held_ids) if expires_at > terms.now else set()
        if not held.issuperset(self.seat_ids):
            check_choice(
                user_id=self.user_id,
                terms=terms,
                seats=seats,
                chosen=self.seat_ids,
                hold_id=hold_id,
                remaining=held.difference(self.seat_ids),
            )
        language = self.language or user.language
        sale = Sale(*ids, terms=terms, seats=wanted, language=language, user_id=self.user_id)
        writes = [sale.write()]
        if booked := set(held_ids).intersection(self.seat_ids):
            remaining = [pk for pk in held_ids if pk not in booked]
            writes.append(_take_out_of_hold(hold_id, remaining))
        return Decision(sale.answer(names), writes)


@dataclass(frozen=True, slots=True)
class _PurchaseOfHold:
    user_id: int
    language: str | None
    hold_id: UUID

    def reads(self) -> list[Call]:
        own: dict[str, Any] = {"user_id": self.user_id, "hold_id": self.hold_id}
        return [
            LOCK_OWN_HOLD(**own),
            lock_seats_of_hold(**own),
            TERMS_AND_IDS_OF_HOLD(**own),
        ]

    def decide(self, user: LockedCaller, rows: Sequence[Rows]) -> Decision:
        holds, seat_rows, show_rows = rows
        require_confirmed_email(user)
        hold = own_hold(holds)
        if hold.end_reason == HoldEnd.RELEASED:
            raise HoldNotFound
        if hold.end_reason == HoldEnd.BOOKED:
            raise HoldAlreadyBooked
        terms, names, ids = terms_and_ids(show_rows)
        seats = locked_seats(seat_rows)
        terms.require_open()
        # The seats of an expired hold may be sold to others, or replaced with the whole room.
        if len(seats) < len(hold.seat_ids) or not all(
            is_free(seat, now=terms.now, hold_id=hold.id) for seat in seats.values()
        ):
            raise HoldExpired
        language = self.language or user.language
        sale = Sale(
            *ids, terms=terms, seats=seats.values(), language=language, user_id=self.user_id
        )
        return Decision(sale.answer(names), [sale.write(), _take_out_of_hold(hold.id, [])])


class LockedHold(NamedTuple):
    """A row of `holds`, locked until the transaction ends."""

    id: UUID
    show_id: int
    seat_ids: list[int]
    expires_at: datetime
    max_expires_at: datetime
    ended_at: datetime | None
    end_reason: str


def _locking(**filters: Any) -> QuerySet[Hold]:
    holds = Hold.objects.filter(user_id=Param("user_id"), **filters).order_by()
    return holds.select_for_update(of=("self",), no_key=True)


_LOCK_LIVE_HOLD = Statement(
    lambda: _locking(show_id=Param("show_id"), ended_at__isnull=True).values_list(
        "pk", "seat_ids", "expires_at"
    )
)
LOCK_OWN_HOLD = Statement(lambda: _locking(pk=Param("hold_id")).values_list(*LockedHold._fields))


def own_hold(rows: Rows) -> LockedHold:
    """Return the hold that `LOCK_OWN_HOLD` has locked. Raise `HoldNotFound`."""
    for row in rows:
        return LockedHold(*row)
    raise HoldNotFound


_SHRINK_HOLD = Statement("UPDATE holds SET seat_ids = %(seat_ids)s WHERE id = %(hold_id)s")
_BOOK_HOLD = Statement(
    "UPDATE holds SET ended_at = clock_timestamp(), end_reason = 'booked' WHERE id = %(hold_id)s"
)


def _take_out_of_hold(hold_id: UUID, remaining: list[int]) -> Call:
    """Return the call that leaves these seats in the locked hold, or ends it without any."""
    if remaining:
        return _SHRINK_HOLD(hold_id=hold_id, seat_ids=remaining)
    transaction.on_commit(HOLDS.labels(HoldEnd.BOOKED.value).inc)
    return _BOOK_HOLD(hold_id=hold_id)


_SALE = Statement("""
    WITH purchase AS (
        INSERT INTO orders (id, reference, user_id, show_id, channel, sold_by_id, customer_name,
                            customer_email, total, currency, language, created_at,
                            confirmation_due_at)
        VALUES (%(order_id)s, %(reference)s, %(user_id)s, %(show_id)s, %(channel)s,
                %(sold_by_id)s, %(customer_name)s, %(customer_email)s, %(total)s, %(currency)s,
                %(language)s, %(now)s, %(confirmation_due_at)s)
    ), sold AS (
        UPDATE seats SET status = 'booked', hold_id = NULL, held_until = NULL
         WHERE id = ANY(%(seat_ids)s::bigint[])
    )
    INSERT INTO bookings (id, user_id, show_id, seat_id, order_id, price, booked_at)
    SELECT booking_id, %(user_id)s, %(show_id)s, seat_id, %(order_id)s, price, %(now)s
      FROM unnest(%(booking_ids)s::bigint[], %(seat_ids)s::bigint[], %(prices)s::numeric[])
           AS wanted (booking_id, seat_id, price)
""")


class Sale:
    """An order of locked, free seats: the statement that writes it, and the response."""

    def __init__(
        self,
        order_id: int,
        booking_ids: list[int],
        *,
        terms: Terms,
        seats: Iterable[Seat | LockedSeat],
        language: str,
        with_mail: bool = True,
        user_id: int | None = None,
        channel: Channel = Channel.WEB,
        sold_by_id: int | None = None,
        customer_name: str = "",
        customer_email: str = "",
    ) -> None:
        self.terms = terms
        self.seats = sorted(seats, key=lambda seat: seat.place())
        self.booking_ids = booking_ids
        self.order: dict[str, Any] = {
            "order_id": order_id,
            "reference": new_reference(),
            "user_id": user_id,
            "show_id": terms.show_id,
            "channel": channel.value,
            "sold_by_id": sold_by_id,
            "customer_name": customer_name,
            "customer_email": customer_email,
            "total": sum((seat.price for seat in self.seats), start=Decimal(0)),
            "currency": terms.currency,
            "language": language,
            "now": terms.now,
            "confirmation_due_at": terms.now if with_mail and settings.BOOKING_MAILS else None,
        }

    def write(self) -> Call:
        """Return the call that writes the order, its bookings and the status of the seats."""
        return _SALE(
            **self.order,
            booking_ids=self.booking_ids,
            seat_ids=[seat.id for seat in self.seats],
            prices=[seat.price for seat in self.seats],
        )

    def answer(self, names: ShowNames) -> dict[str, Any]:
        """Return the body of a `BookingAnswer`."""
        order, show = self.order, self._show(names)
        bookings = self._bookings(show)
        with translation.override(order["language"]):
            message = gettext("Booking confirmed. Enjoy the show!")
        return {
            "message": message,
            "booking": bookings[0],
            "bookings": bookings,
            "order": {
                "reference": order["reference"],
                "show_id": order["show_id"],
                "channel": order["channel"],
                "total": money_text(order["total"], order["currency"]),
                "currency": order["currency"],
                "language": order["language"],
                "created_at": utc_text(order["now"]),
                "status": OrderStatus.CONFIRMED.value,
                **show,
            },
        }

    def _bookings(self, show: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the facts of a `NewBooking` for each seat."""
        order = self.order
        return [
            {
                "id": booking_id,
                "user_id": order["user_id"],
                "show_id": order["show_id"],
                "seat_id": seat.id,
                "row": seat.row,
                "section": seat.section,
                "number": seat.number,
                "price": money_text(seat.price, order["currency"]),
                "currency": order["currency"],
                "booked_at": utc_text(order["now"]),
                "order_reference": order["reference"],
                "status": BookingStatus.CONFIRMED.value,
                "movie_title": show["movie_title"],
                "theatre_name": show["theatre_name"],
                "start_time": show["start_time"],
            }
            for booking_id, seat in zip(self.booking_ids, self.seats, strict=True)
        ]

    def _show(self, names: ShowNames) -> dict[str, Any]:
        """Return the facts of a `BookedShowSerializer`."""
        terms, zone = self.terms, zone_named(names.timezone)
        return {
            "movie_id": names.movie_id,
            "movie_title": names.movie_title,
            "theatre_id": terms.theatre_id,
            "theatre_name": names.theatre_name,
            "screen_name": names.screen_name,
            "start_time": utc_text(terms.start_time),
            "end_time": utc_text(terms.end_time) if terms.end_time else None,
            "local_start_time": terms.start_time.astimezone(zone).isoformat(),
            "timezone": zone.key,
            "cancellable_until": utc_text(cancellable_until(terms.start_time)),
        }


def sell(*, terms: Terms, seats: Collection[Seat], **facts: Any) -> Order:
    """Sell locked, free seats in the caller's transaction, and return their order.

    `facts` are further arguments of `Sale`.
    """
    (ids,) = DRAW_IDS.rows(bookings=len(seats))
    sale = Sale(*ids, terms=terms, seats=seats, **facts)
    execute(sale.write())
    publish_seat_changes([terms.show_id])
    return Order.objects.get(pk=sale.order["order_id"])


def new_reference() -> str:
    """Return a random reference such as `K7Q4-9XWD`; a constraint keeps it unique."""
    # A single random number, because each one is a system call, which lets other threads run.
    number = secrets.randbelow(len(REFERENCE_LETTERS) ** 8)
    letters = ""
    while len(letters) < 8:
        number, place = divmod(number, len(REFERENCE_LETTERS))
        letters += REFERENCE_LETTERS[place]
    return f"{letters[:4]}-{letters[4:]}"
