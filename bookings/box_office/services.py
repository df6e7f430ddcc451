"""Sales, cancellations and moves at the box office, each with an audit entry.

They lock the seats first, and no user. The gap and companion rules do not apply, because a clerk
can talk to the customers.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus

from accounts import audit
from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.money import money_text
from bookings.confirmations import confirm_again
from bookings.idempotency import fingerprint
from bookings.models import Booking, Channel, IdempotencyRecord, Order
from bookings.services.cancelling import cancel_locked, lock_live
from bookings.services.refusals import refusals_explained
from bookings.services.sales import sell
from bookings.services.seat_locks import (
    lock_seats,
    read_terms,
    require_few,
    require_free,
    require_known,
)
from bookings.transactions import in_transaction
from catalog.models import Seat, SeatStatus
from catalog.seat_changes import publish_seat_changes

OPERATION = "box_office_sale"


class FormUsed(DomainError):
    """This form has already sold other seats; `reference` names that order."""

    code = "form_used"


class BookingCancelled(DomainError):
    """The booking is cancelled, so it cannot be moved."""

    code = "booking_cancelled"
    message = "This booking is cancelled, so it can't be moved."


class BookingMoved(DomainError):
    """A colleague has moved this booking in the meantime."""

    code = "booking_moved"
    message = "A colleague has moved this booking. Reload the order."


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """The seats that a customer at the box office wants, and where to send the confirmation."""

    show_id: int
    seat_ids: frozenset[int]
    customer_name: str = ""
    customer_email: str = ""
    language: str = ""  # by default that of the theatre


def sell_at_counter(*, clerk: User, token: str, purchase: Purchase) -> Order:
    """Sell all the seats or none, and return the order; once for each `token` of a form.

    A form that is submitted twice gets the same order. Raise `FormUsed` if it asks for other
    seats then, `TooManySeats`, `ShowNotFound`, `SeatNotFound`, `ShowClosed` or
    `SeatUnavailable`.
    """
    require_few(purchase.seat_ids)
    with refusals_explained(show_id=purchase.show_id, seat_ids=purchase.seat_ids):
        order, sold = in_transaction(lambda: _sell(clerk, token, purchase))
    # Checked after COMMIT, which has waited for the standby: no failover can lose the order.
    if sold != _fingerprint(purchase):
        raise FormUsed(
            f"This form has already sold {order.reference}. Nothing else was sold now.",
            reference=order.reference,
        )
    return order


def _sell(clerk: User, token: str, purchase: Purchase) -> tuple[Order, str]:
    """Return the order of the form, and the fingerprint of the purchase that made it."""
    seats = lock_seats(show_id=purchase.show_id, seat_ids=purchase.seat_ids)
    # Read after locking the seats: the second of two clicks has waited for the first.
    if sold := _sold_before(clerk, token):
        return sold
    terms = read_terms(purchase.show_id)
    terms.require_open_at_counter()
    require_known(seats, purchase.seat_ids)
    require_free(seats.values(), now=terms.now, hold_id=None)
    order = sell(
        terms=terms,
        seats=seats.values(),
        language=purchase.language or terms.theatre_language,
        with_mail=bool(purchase.customer_email),
        channel=Channel.BOX_OFFICE,
        sold_by_id=clerk.pk,
        customer_name=purchase.customer_name,
        customer_email=purchase.customer_email,
    )
    audit.record(
        actor=clerk,
        action="seats_sold",
        subject=order,
        theatre_id=terms.theatre_id,
        seats=_names(seats.values()),
        total=order.total_text,
        currency=order.currency,
    )
    return order, _remember_sale(clerk, token, purchase, order)


def cancel_at_counter(
    *, clerk: User, order: Order, booking_ids: Collection[int], reason: str
) -> list[Booking]:
    """Cancel these bookings of the order at any time, and return those that were active.

    Bookings that are already cancelled do not change, so it can be repeated.
    """

    def work() -> list[Booking]:
        bookings = order.bookings.filter(pk__in=booking_ids)
        cancelled = lock_live(show_id=order.show_id, bookings=bookings)
        cancel_locked(cancelled, by=clerk, reason=reason)
        if cancelled:
            amount = sum((row.price or Decimal(0) for row in cancelled), Decimal(0))
            audit.record(
                actor=clerk,
                action="seats_cancelled",
                subject=order,
                theatre_id=order.show.theatre_id,
                reason=reason,
                seats=_names(Seat.objects.filter(pk__in=[row.seat_id for row in cancelled])),
                amount=money_text(amount, order.currency),
                currency=order.currency,
            )
        return cancelled

    return in_transaction(work)


def move_at_counter(*, clerk: User, booking: Booking, seat_id: int, reason: str) -> None:
    """Move the booking to another free seat of the same show, at the price that was paid.

    `booking` belongs to an order, and has the seat that the clerk saw. Repeatable. Raise
    `SeatNotFound`, `SeatUnavailable`, `ShowNotFound`, `ShowClosed`, `BookingCancelled` or
    `BookingMoved`.
    """

    def work() -> None:
        seats = lock_seats(show_id=booking.show_id, seat_ids=[booking.seat_id, seat_id])
        order, current = _lock_booking(booking)
        if current.seat_id == seat_id:
            return
        if current.seat_id != booking.seat_id:
            raise BookingMoved
        terms = read_terms(booking.show_id)
        terms.require_open_at_counter()
        require_known(seats, [seat_id])
        old, new = seats[current.seat_id], seats[seat_id]
        require_free([new], now=terms.now, hold_id=None)
        _change_seat(current, old, new)
        confirm_again([order])
        audit.record(
            actor=clerk,
            action="seat_moved",
            subject=order,
            theatre_id=terms.theatre_id,
            reason=reason,
            seat=[str(old), str(new)],
            price_kept=money_text(current.amount, order.currency),
            price_of_the_new_seat=money_text(new.price, terms.currency),
        )

    with refusals_explained(show_id=booking.show_id, seat_ids=[seat_id]):
        in_transaction(work)


def _change_seat(booking: Booking, old: Seat, new: Seat) -> None:
    Booking.objects.filter(pk=booking.pk).update(seat=new)
    Seat.objects.filter(pk=old.pk).update(status=SeatStatus.AVAILABLE)
    Seat.objects.filter(pk=new.pk).update(status=SeatStatus.BOOKED, hold_id=None, held_until=None)
    publish_seat_changes([booking.show_id])


def _remember_sale(clerk: User, token: str, purchase: Purchase, order: Order) -> str:
    record = IdempotencyRecord.objects.create(
        user=clerk,
        operation=OPERATION,
        key=token,
        fingerprint=_fingerprint(purchase),
        status=HTTPStatus.CREATED,
        body=json.dumps({"reference": order.reference}),
    )
    return record.fingerprint


def _sold_before(clerk: User, token: str) -> tuple[Order, str] | None:
    record = IdempotencyRecord.objects.filter(user=clerk, operation=OPERATION, key=token).first()
    if record is None:
        return None
    order = Order.objects.get(reference=json.loads(record.body)["reference"])
    return order, record.fingerprint


def _fingerprint(purchase: Purchase) -> str:
    wanted = {
        "show_id": purchase.show_id,
        "seat_ids": sorted(purchase.seat_ids),
        "customer": [purchase.customer_name, purchase.customer_email],
    }
    return fingerprint(OPERATION, wanted)


def _lock_booking(booking: Booking) -> tuple[Order, Booking]:
    """Lock the order, then the booking, and return both. Raise `BookingCancelled`."""
    locked = Order.objects.select_for_update(of=("self",), no_key=True)
    order = locked.get(bookings=booking)
    current = Booking.objects.select_for_update(of=("self",), no_key=True).get(pk=booking.pk)
    if current.cancelled_at is not None:
        raise BookingCancelled
    return order, current


def _names(seats: Iterable[Seat]) -> list[str]:
    return [str(seat) for seat in sorted(seats, key=Seat.place)]
