"""Cancels bookings of customers. The functions for locked bookings also serve staff."""

from collections.abc import Collection, Iterable
from http import HTTPStatus

from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Value, When
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_tasks.base import Task

from accounts.authentication import Caller
from accounts.models import User
from accounts.services import lock_caller
from booking_site.api.errors import DomainError
from booking_site.postgres.clock import ClockTimestamp
from bookings import mails
from bookings.models import Booking, Order, OrderStatus
from bookings.services.seat_locks import lock_seats
from bookings.transactions import in_transaction
from catalog.models import Seat, SeatStatus, Show
from catalog.seat_changes import publish_seat_changes
from catalog.selling import cancellable_until


class BookingNotFound(DomainError):
    """The caller has no such booking."""

    code = "booking_not_found"
    status = HTTPStatus.NOT_FOUND
    message = _("You have no such booking.")


class OrderNotFound(DomainError):
    """The caller has no such order."""

    code = "order_not_found"
    status = HTTPStatus.NOT_FOUND
    message = _("You have no such order.")


class CancellationClosed(DomainError):
    """The show starts too soon to cancel."""

    code = "cancellation_closed"


def cancel_booking(*, caller: Caller, booking_id: int) -> None:
    """Cancel the caller's booking and free its seat. Repeatable.

    Raise `BookingNotFound`, or `CancellationClosed` if the show starts too soon.
    """

    def work() -> None:
        user = lock_caller(caller=caller)
        booking = Booking.objects.filter(pk=booking_id, user=user).first()
        if booking is None:
            raise BookingNotFound
        _cancel_in_time(show_id=booking.show_id, bookings=[booking], user=user)

    in_transaction(work)


def cancel_order(*, caller: Caller, reference: str) -> None:
    """Cancel every live booking of the caller's order. Repeatable.

    Raise `OrderNotFound`, or `CancellationClosed` if the show starts too soon.
    """

    def work() -> None:
        user = lock_caller(caller=caller)
        order = Order.objects.filter(reference=reference, user=user).first()
        if order is None:
            raise OrderNotFound
        _cancel_in_time(show_id=order.show_id, bookings=order.bookings.all(), user=user)

    in_transaction(work)


def lock_live(*, show_id: int, bookings: Iterable[Booking]) -> list[Booking]:
    """Return the live ones of these bookings, locked until the transaction ends.

    Their seats and orders are locked first.
    """
    bookings = list(bookings)
    lock_seats(show_id=show_id, seat_ids=[booking.seat_id for booking in bookings])
    orders = Order.objects.filter(pk__in={b.order_id for b in bookings if b.order_id})
    list(orders.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
    return list(
        Booking.objects.filter(pk__in=[b.pk for b in bookings], cancelled_at__isnull=True)
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )


def cancel_locked(
    bookings: Collection[Booking],
    *,
    by: User | None,
    reason: str = "",
    mail: "Task[..., None]" = mails.bookings_cancelled,
) -> None:
    """Cancel bookings from `lock_live`: free their seats, update their orders, enqueue mails.

    An order without an active booking gets no confirmation any more.
    """
    if not bookings:
        return
    # After a failover to a server whose clock is behind, "now" can be before the booking.
    now = Greatest(ClockTimestamp(), F("booked_at"))
    Booking.objects.filter(pk__in=[booking.pk for booking in bookings]).update(
        cancelled_at=now, cancelled_by=by, cancel_reason=reason
    )
    Seat.objects.filter(
        pk__in=[booking.seat_id for booking in bookings], status=SeatStatus.BOOKED
    ).update(status=SeatStatus.AVAILABLE)
    publish_seat_changes(booking.show_id for booking in bookings)
    live = Exists(Booking.objects.filter(order=OuterRef("pk"), cancelled_at__isnull=True))
    Order.objects.filter(pk__in={booking.order_id for booking in bookings}).update(
        status=Case(
            When(live, then=Value(OrderStatus.PARTIALLY_CANCELLED)),
            default=Value(OrderStatus.CANCELLED),
        ),
        confirmation_due_at=Case(When(live, then=F("confirmation_due_at")), default=None),
    )
    mails.notify_buyers(mail, bookings)


def _cancel_in_time(*, show_id: int, bookings: Iterable[Booking], user: User) -> None:
    live = lock_live(show_id=show_id, bookings=bookings)
    if live:
        _require_time_left(show_id)
    cancel_locked(live, by=user)


def _require_time_left(show_id: int) -> None:
    start_time, now = Show.objects.values_list("start_time", ClockTimestamp()).get(pk=show_id)
    if now > cancellable_until(start_time):
        minutes = settings.CANCELLATION_CUTOFF_MINUTES
        raise CancellationClosed(
            ngettext(
                "Bookings can be cancelled until %(minutes)d minute before the show starts.",
                "Bookings can be cancelled until %(minutes)d minutes before the show starts.",
                minutes,
            )
            % {"minutes": minutes}
        )
