"""Giving seats back: one booking, or a whole order."""

from collections.abc import Collection
from datetime import timedelta
from http import HTTPStatus

from django.conf import settings

from accounts.authentication import Caller
from accounts.models import User
from accounts.services import lock_caller
from booking_site.api.errors import DomainError
from bookings import mails
from bookings.models import Booking, Order
from bookings.services.claims import lock_seats
from bookings.transactions import in_transaction
from catalog.models import ClockTimestamp, Seat, SeatStatus, Show


class BookingNotFound(DomainError):
    """The caller has no such booking."""

    code = "booking_not_found"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("You have no such booking.")


class OrderNotFound(DomainError):
    """The caller has no such order."""

    code = "order_not_found"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("You have no such order.")


class CancellationClosed(DomainError):
    """The show starts too soon to cancel."""

    code = "cancellation_closed"


def cancel_booking(*, caller: Caller, booking_id: int) -> None:
    """Cancel the caller's booking and free its seat; a cancelled one stays as it is.

    Raise `BookingNotFound`, or `CancellationClosed` when the show starts too soon.
    """

    def cancel() -> None:
        user = lock_caller(caller=caller)
        booking = Booking.objects.filter(pk=booking_id, user=user).first()
        if booking is None:
            raise BookingNotFound
        cutoff = timedelta(minutes=settings.CANCELLATION_CUTOFF_MINUTES)
        cancel_live(by=user, show_id=booking.show_id, bookings=[booking], cutoff=cutoff)

    in_transaction(cancel)


def cancel_order(*, caller: Caller, reference: str) -> None:
    """Cancel what is left of the caller's order; a cancelled one stays as it is.

    Raise `OrderNotFound`, or `CancellationClosed` when the show starts too soon.
    """

    def cancel() -> None:
        user = lock_caller(caller=caller)
        order = Order.objects.filter(reference=reference, user=user).first()
        if order is None:
            raise OrderNotFound
        cutoff = timedelta(minutes=settings.CANCELLATION_CUTOFF_MINUTES)
        bookings = list(order.bookings.all())
        cancel_live(by=user, show_id=order.show_id, bookings=bookings, cutoff=cutoff)

    in_transaction(cancel)


def cancel_live(
    *,
    by: User,
    show_id: int,
    bookings: Collection[Booking],
    reason: str = "",
    cutoff: timedelta | None = None,
) -> list[Booking]:
    """Cancel those of the bookings, all of one order, that are still live, and return them.

    Runs in the caller's transaction. Raise `CancellationClosed` when the show
    starts sooner than `cutoff`; None cancels at any time.
    """
    lock_seats(
        show_id=show_id, seat_ids=[booking.seat_id for booking in bookings], whole_rows=False
    )
    orders = {booking.order_id for booking in bookings if booking.order_id}
    list(
        Order.objects.filter(pk__in=orders)
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
        .values_list("pk")
    )
    live = list(
        Booking.objects.filter(pk__in=[b.pk for b in bookings], cancelled_at__isnull=True)
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    if not live:
        return []
    if cutoff is not None:
        _require_time_left(show_id, cutoff)
    Booking.objects.filter(pk__in=[booking.pk for booking in live]).update(
        cancelled_at=ClockTimestamp(), cancelled_by=by, cancel_reason=reason
    )
    Seat.objects.filter(
        pk__in=[booking.seat_id for booking in live], status=SeatStatus.BOOKED
    ).update(status=SeatStatus.AVAILABLE)
    mails.tell_of_cancellation(live)
    return live


def _require_time_left(show_id: int, cutoff: timedelta) -> None:
    if not Show.objects.filter(pk=show_id, start_time__gte=ClockTimestamp() + cutoff).exists():
        raise CancellationClosed(
            f"Bookings can be cancelled until {settings.CANCELLATION_CUTOFF_MINUTES} minutes "
            "before the show starts."
        )
