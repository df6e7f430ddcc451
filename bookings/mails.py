"""Mails about purchases. Except for confirmations, they are tasks.

The worker reads the bookings when it sends a mail: an order that was cancelled in the meantime
is not confirmed, and a removed user gets no mail.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import translation
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django_tasks import TaskContext, task
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult

from accounts.links import claim_link
from booking_site.languages import DEFAULT_LANGUAGE, Sentence
from booking_site.local_time import localized_time
from booking_site.money import localized_money
from booking_site.tasks.email import message_id_of, send_mail
from bookings.models import Booking, Order
from catalog.models import Show


def notify_buyers(mail: "Task[..., None]", bookings: Iterable[Booking], **facts: str) -> None:
    """Enqueue one mail for each purchase among the bookings. Call it in their transaction."""
    if settings.BOOKING_MAILS:
        for booking_ids in _by_purchase(bookings):
            mail.enqueue(booking_ids=booking_ids, **facts)


def notify_of_moved_show(before: Show, bookings: Iterable[Booking]) -> None:
    """Enqueue mails with the screen and local time that the show had before."""
    starts = before.start_time.astimezone(before.theatre.zone).isoformat()
    screen = before.screen.name if before.screen else ""
    notify_buyers(show_moved, bookings, was_starts=starts, was_screen=screen)


def mails_about(bookings: Iterable[Booking]) -> "QuerySet[DBTaskResult[..., Any]]":
    """Return the tasks of mails about the bookings that are still stored, sent or not."""
    # A mail is about one purchase, so its first booking identifies the buyer.
    return DBTaskResult.objects.filter(
        args_kwargs__kwargs__booking_ids__0__in=[booking.pk for booking in bookings]
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
    """Send the tickets that are still booked; return False if there is nothing to send.

    Raise OSError if the mail server does not accept the mail.
    """
    live = _bookings(order_id=order.pk, cancelled_at=None)
    if not live:
        return False
    buyer = live[0].user
    return _send(
        live,
        _("Your tickets for %(movie)s"),
        "order_made",
        message_id=f"confirmation.{order.reference}.{order.confirmation_number}",
        link=claim_link(buyer) if buyer and buyer.is_guest else "",
        hours=settings.PASSWORD_RESET_TIMEOUT // 3600,
    )


@task(takes_context=True)
def bookings_cancelled(context: TaskContext, booking_ids: list[int]) -> None:
    if cancelled := _bookings(pk__in=booking_ids):
        order_id = cancelled[0].order_id
        left = _bookings(order_id=order_id, cancelled_at=None) if order_id else []
        _send(
            cancelled,
            _("Cancelled: %(movie)s"),
            "bookings_cancelled",
            message_id=message_id_of(context),
            seats_left=_seats(left),
        )


@task(takes_context=True)
def show_cancelled(context: TaskContext, booking_ids: list[int]) -> None:
    if cancelled := _bookings(pk__in=booking_ids):
        subject = _("Show cancelled: %(movie)s")
        _send(cancelled, subject, "show_cancelled", message_id=message_id_of(context))


@task(takes_context=True)
def show_moved(
    context: TaskContext, booking_ids: list[int], was_starts: str, was_screen: str
) -> None:
    if live := _bookings(pk__in=booking_ids, cancelled_at=None):
        was = {"was_starts": _in_words(was_starts), "was_screen": was_screen}
        subject = _("Show moved: %(movie)s")
        _send(live, subject, "show_moved", message_id=message_id_of(context), **was)


def _in_words(local_time: str) -> Sentence:
    """Return the ISO time in the language of the mail. Earlier releases enqueued other text."""
    try:
        return lazy(localized_time, str)(datetime.fromisoformat(local_time))
    except ValueError:
        return local_time


def _bookings(**which: Any) -> list[Booking]:
    bookings = Booking.objects.filter(**which).with_details().select_related("user")
    return sorted(bookings, key=lambda booking: booking.seat.place())


def _send(
    bookings: list[Booking], subject: Sentence, template: str, *, message_id: str, **facts: Any
) -> bool:
    """Send one mail to the buyer of the bookings; return False if the buyer has no address."""
    first = bookings[0]
    name, address = _recipient(first)
    if not address:
        return False
    theatre = first.show.theatre
    with translation.override(_language(first)):
        send_mail(
            to=address,
            subject=subject % {"movie": first.show.movie.title},
            template=template,
            facts=facts | _facts(bookings, name),
            message_id=message_id,
            reply_to=(theatre.name, theatre.contact_email),
        )
    return True


def _language(booking: Booking) -> str:
    """Return the language of the order; the buyer's for a booking of the original system."""
    if booking.order is not None:
        return booking.order.language
    return booking.user.language if booking.user else DEFAULT_LANGUAGE


def _facts(bookings: list[Booking], name: str) -> dict[str, Any]:
    """Return what every mail about bookings shows, in the active language."""
    first = bookings[0]
    amount = sum((booking.amount for booking in bookings), Decimal(0))
    return {
        "name": name,
        "online": first.user is not None,
        "reference": first.order_reference,
        "seats": _seats(bookings),
        "total": localized_money(amount, first.currency),
        "cancel_minutes": settings.CANCELLATION_CUTOFF_MINUTES,
        **_place_and_time(first.show),
    }


def _recipient(booking: Booking) -> tuple[str, str]:
    """Return the buyer's name and address; "" for a name whose address is not confirmed.

    The mail may then reach a stranger, so it contains no text that somebody else typed.
    """
    user, order = booking.user, booking.order
    if user is not None:
        name = user.name if user.email_confirmed_at else ""
        return name, user.mail_address if user.is_active else ""
    return "", order.customer_email if order else ""


def _seats(bookings: Iterable[Booking]) -> str:
    return ", ".join(str(booking.seat) for booking in bookings)


def _place_and_time(show: Show) -> dict[str, str]:
    local = show.start_time.astimezone(show.theatre.zone)
    return {
        "movie": show.movie.title,
        "theatre": show.theatre.name,
        "location": show.theatre.location,
        "screen": show.screen.name if show.screen else "",
        "starts": localized_time(local),
    }
