"""The mails about purchases, as tasks: enqueued in the transaction they belong to.

What they say is read when they are sent: an order that was given back meanwhile is
not confirmed any more, and a removed person gets no mail.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from booking_site.tasks.email import Mail, send
from bookings.models import Booking, Order
from catalog.models import Seat, Show


def tell_of_order(order: Order) -> None:
    """Have the buyer told, inside the transaction of the sale; one INSERT."""
    if settings.BOOKING_MAILS:
        order_made.enqueue(order_id=order.pk)


def tell_of_cancellation(bookings: Collection[Booking]) -> None:
    """Have the buyer of these bookings, all of one order, told; inside the transaction."""
    if settings.BOOKING_MAILS:
        bookings_cancelled.enqueue(booking_ids=[booking.pk for booking in bookings])


def tell_of_cancelled_show(bookings: Iterable[Booking]) -> None:
    """Have every buyer of these bookings of a show told once; inside the transaction."""
    if settings.BOOKING_MAILS:
        for booking_ids in _by_purchase(bookings):
            show_cancelled.enqueue(booking_ids=booking_ids)


def tell_of_moved_show(before: Show, bookings: Iterable[Booking]) -> None:
    """Have every buyer of these bookings told once that the show was moved from where it was."""
    if settings.BOOKING_MAILS:
        was = _place_and_time(before)
        for booking_ids in _by_purchase(bookings):
            show_moved.enqueue(
                booking_ids=booking_ids, was_starts=was["starts"], was_screen=was["screen"]
            )


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
    live = _bookings(order_id=order_id, cancelled_at=None)
    if live:
        _send(live, f"Your tickets for {live[0].show.movie.title}", "order_made")


# What `order_made.enqueue(order_id=…)` writes, for the statement that makes the order: the
# task's own way took a tenth of a booking's time. A test holds the two together.
ORDER_MADE = """
    INSERT INTO django_tasks_database_dbtaskresult (
           id, status, enqueued_at, args_kwargs, priority, task_path, worker_ids, queue_name,
           backend_name, run_after, exception_class_path, traceback)
    SELECT gen_random_uuid(), 'READY', clock_timestamp(),
           jsonb_build_object('args', '[]'::jsonb,
                              'kwargs', jsonb_build_object('order_id', purchase.id)),
           0, %(task)s, '[]', 'default', 'default', '9999-01-01 00:00+00', '', ''
      FROM purchase
"""


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


def _send(bookings: list[Booking], subject: str, template: str, **facts: Any) -> None:
    """Send one mail to the buyer of the bookings, who may have none: sold at the counter."""
    first = bookings[0]
    if first.user is not None:
        name, address = first.user.name, first.user.email if first.user.is_active else ""
    elif first.order is not None:
        name, address = first.order.customer_name, first.order.customer_email
    else:
        return
    if address:
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
        send(Mail(to=address, subject=subject, template=template, facts=facts))


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
