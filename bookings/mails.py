"""The mails about purchases, as tasks: enqueued in the transaction they belong to.

What they say is read when they are sent: an order that was given back meanwhile is
not confirmed any more, and a removed person gets no mail.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django_tasks import task
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult

from booking_site.tasks.email import Mail, send
from bookings.models import Booking, Order
from catalog.models import Seat, Show


def tell_buyers(mail: "Task[..., None]", bookings: Iterable[Booking], **facts: str) -> None:
    """Have every buyer of the bookings get the mail once, inside the transaction it reports."""
    if settings.BOOKING_MAILS:
        for booking_ids in _by_purchase(bookings):
            mail.enqueue(booking_ids=booking_ids, **facts)


def tell_of_moved_show(before: Show, bookings: Iterable[Booking]) -> None:
    """Have every buyer of the bookings learn once from where the show was moved."""
    was = _place_and_time(before)
    tell_buyers(show_moved, bookings, was_starts=was["starts"], was_screen=was["screen"])


def mails_about(
    orders: Iterable[Order], bookings: Iterable[Booking]
) -> "QuerySet[DBTaskResult[..., Any]]":
    """Return what the queue still has about purchases, sent or not."""
    return DBTaskResult.objects.filter(
        Q(args_kwargs__kwargs__order_id__in=[order.pk for order in orders])
        # A mail is about one purchase, so its first booking tells whose it is.
        | Q(args_kwargs__kwargs__booking_ids__0__in=[booking.pk for booking in bookings])
    ).order_by("enqueued_at")


def _by_purchase(bookings: Iterable[Booking]) -> Iterable[list[int]]:
    purchases: dict[tuple[int | None, int | None], list[int]] = defaultdict(list)
    for booking in bookings:
        purchases[booking.user_id, booking.order_id].append(booking.pk)
    return purchases.values()


@task
def order_made(order_id: int) -> None:
    """Confirm an order. Only the queue of an earlier release holds this task."""
    send_confirmation(Order.objects.get(pk=order_id))


def send_confirmation(order: Order) -> bool:
    """Send the tickets that are still booked; return False when there is nothing to send.

    Raise OSError when the server does not take the mail.
    """
    live = _bookings(order_id=order.pk, cancelled_at=None)
    return bool(live) and _send(
        live,
        f"Your tickets for {live[0].show.movie.title}",
        "order_made",
        message_id=f"confirmation.{order.reference}.{order.confirmation_number}",
    )


@task
def bookings_cancelled(booking_ids: list[int]) -> None:
    gone = _bookings(pk__in=booking_ids)
    left = []
    if gone and gone[0].order_id:
        left = _bookings(order_id=gone[0].order_id, cancelled_at=None)
    if gone:
        subject = f"Cancelled: {gone[0].show.movie.title}"
        _send(gone, subject, "bookings_cancelled", seats_left=_seats(left))


@task
def show_cancelled(booking_ids: list[int]) -> None:
    gone = _bookings(pk__in=booking_ids)
    if gone:
        subject = f"The show is cancelled: {gone[0].show.movie.title}"
        _send(gone, subject, "show_cancelled")


@task
def show_moved(booking_ids: list[int], was_starts: str, was_screen: str) -> None:
    live = _bookings(pk__in=booking_ids, cancelled_at=None)
    if live:
        subject = f"The show was moved: {live[0].show.movie.title}"
        _send(live, subject, "show_moved", was_starts=was_starts, was_screen=was_screen)


def _bookings(**which: Any) -> list[Booking]:
    bookings = Booking.objects.filter(**which).with_details().select_related("user")
    return sorted(bookings, key=lambda booking: booking.seat.place())


def _send(
    bookings: list[Booking], subject: str, template: str, *, message_id: str = "", **facts: Any
) -> bool:
    """Send one mail to the buyer of the bookings; return False when the address is not known."""
    first = bookings[0]
    if first.user is not None:
        name, address = first.user.name, first.user.email if first.user.is_active else ""
    elif first.order is not None:
        name, address = first.order.customer_name, first.order.customer_email
    else:
        return False
    if not address:
        return False
    facts |= {
        "name": name,
        "online": first.user is not None,
        "reference": first.order_reference,
        "seats": _seats(bookings),
        "total": sum(booking.amount for booking in bookings),
        "currency": first.currency,
        "cancel_minutes": settings.CANCELLATION_CUTOFF_MINUTES,
        **_place_and_time(first.show),
    }
    send(Mail(to=address, subject=subject, template=template, facts=facts, message_id=message_id))
    return True


def _seats(bookings: Iterable[Booking]) -> str:
    return ", ".join(_seat(booking.seat) for booking in bookings)


def _seat(seat: Seat) -> str:
    return f"{seat.row}{seat.number}"


def _place_and_time(show: Show) -> dict[str, str]:
    local = show.start_time.astimezone(show.theatre.zone)
    return {
        "movie": show.movie.title,
        "theatre": show.theatre.name,
        "location": show.theatre.location,
        "screen": show.screen.name if show.screen else "",
        "starts": f"{local:%A, %d %B %Y, %H:%M}",
    }
