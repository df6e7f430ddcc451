"""Mails to customers, which are committed together with what they report."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import remove_person
from booking_site.local_time import localized_time
from bookings import mails
from bookings.confirmations import confirm_again
from bookings.models import Booking, Channel, Order
from catalog.models import Seat
from tests.bookings.calls import book_seats, bought
from tests.factories import MovieFactory, ScreenFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

Posted = Callable[[], list[EmailMultiAlternatives]]


@pytest.fixture
def seats() -> list[Seat]:
    screen = ScreenFactory(theatre__name="Rex & Royal", name="Screen 2")
    show = ShowFactory.build()
    return make_seats(
        ShowFactory(
            movie=MovieFactory(title="Salt <and> Sea"),
            theatre=screen.theatre,
            screen=screen,
            occupied_until=show.end_time,
        ),
        "SSSSSSSSSSSS",
    )


def texts(message: EmailMultiAlternatives) -> list[str]:
    """Return both parts as plain text."""
    (html,) = [str(part.content) for part in message.alternatives]
    assert "<and>" not in html
    seen = re.sub(r"<[^>]*>", " ", html)
    seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return [message.body, " ".join(seen.split())]


def test_a_buyer_gets_the_tickets_by_mail(
    customer: APIClient, user: User, seats: list[Seat], posted: Posted
) -> None:
    User.objects.update(email_confirmed_at=user.created_at)
    answer = bought(customer, seats[1], seats[0])
    assert mail.outbox == []
    (message,) = posted()
    assert message.to == [user.email]
    assert message.subject == "Your tickets for Salt <and> Sea"
    show = seats[0].show
    local = show.start_time.astimezone(show.theatre.zone)
    for text in texts(message):
        for fact in (
            user.name,
            "Salt <and> Sea",
            "Rex & Royal, Screen 2",
            localized_time(local),
            "A1, A2",
            answer["order"]["reference"],
            "US$24.00",
            "until 60 minutes before",
        ):
            assert fact in text


def test_without_booking_mails_no_confirmation_is_due(
    customer: APIClient, seats: list[Seat], settings: Any, posted: Posted
) -> None:
    settings.BOOKING_MAILS = False
    bought(customer, seats[0])
    assert Order.objects.get().confirmation_due_at is None
    assert posted() == []


def test_a_confirmation_is_not_a_task(customer: APIClient, seats: list[Seat]) -> None:
    bought(customer, seats[0])
    order = Order.objects.get()
    assert order.confirmation_due_at == order.created_at
    assert not DBTaskResult.objects.exists()


def test_a_task_of_the_previous_release_still_confirms_its_order(
    customer: APIClient, user: User, seats: list[Seat], settings: Any, posted: Posted
) -> None:
    settings.BOOKING_MAILS = False  # as that release left the columns
    bought(customer, seats[0])
    mails.order_made.enqueue(order_id=Order.objects.get().pk)
    (message,) = posted()
    assert message.to == [user.email]


@pytest.mark.django_db(transaction=True)
def test_a_refused_purchase_sends_no_mail(customer: APIClient, seats: list[Seat]) -> None:
    with connection.cursor() as cursor:  # refuses late: when the booking itself is written
        cursor.execute("ALTER TABLE bookings ADD CONSTRAINT refused CHECK (seat_id < 0) NOT VALID")
    customer.raise_request_exception = False
    try:
        assert book_seats(customer, seats[0]).status_code == 500
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE bookings DROP CONSTRAINT refused")
    assert not Order.objects.exists()


def test_a_replay_sends_no_second_mail(
    customer: APIClient, seats: list[Seat], posted: Posted
) -> None:
    for _ in range(2):
        assert book_seats(customer, seats[0], key="k").status_code == 201
    assert len(posted()) == 1


def test_seats_cancelled_before_the_mail_is_sent_are_not_in_it(
    customer: APIClient, seats: list[Seat], posted: Posted
) -> None:
    answer = bought(customer, *seats[:2])
    customer.post(f"/api/bookings/{answer['booking']['id']}/cancel")
    tickets, cancelled = posted()
    assert "A2" in tickets.body
    assert "A1" not in tickets.body
    assert "US$12.00" in tickets.body
    assert cancelled.subject == "Cancelled: Salt <and> Sea"


def test_the_mail_of_a_cancelled_seat_lists_the_remaining_ones(
    customer: APIClient, seats: list[Seat], posted: Posted
) -> None:
    answer = bought(customer, *seats[:3])
    posted()
    customer.post(f"/api/bookings/{answer['bookings'][1]['id']}/cancel")
    (message,) = posted()
    for text in texts(message):
        assert "A2" in text
        assert "You still have these seats: A1, A3" in text
        assert "US$12.00" in text


def test_a_cancelled_order_sends_one_mail(
    customer: APIClient, seats: list[Seat], posted: Posted
) -> None:
    answer = bought(customer, *seats[:2])
    posted()
    for _ in range(2):
        customer.post(f"/api/orders/{answer['order']['reference']}/cancel")
    (message,) = posted()
    for text in texts(message):
        assert "A1, A2" in text
        assert "The whole order is now cancelled." in text


def test_a_cancelled_show_sends_one_mail_per_purchase(
    customer: APIClient, user: User, seats: list[Seat], login: Any, posted: Posted
) -> None:
    rival = UserFactory()
    bought(customer, *seats[:2])
    bought(customer, seats[2])
    bought(login(rival), seats[3])
    posted()
    mails.notify_buyers(mails.show_cancelled, Booking.objects.order_by("pk"))
    messages = posted()
    assert [message.to for message in messages] == [[user.email], [user.email], [rival.email]]
    for text in texts(messages[0]):
        assert "this show has been cancelled" in text
        assert "A1, A2" in text


def test_a_box_office_customer_gets_mail_at_the_address_given_there(
    seats: list[Seat], posted: Posted
) -> None:
    for address in ("counter@example.com", ""):
        seat = seats.pop()
        order = Order.objects.create(
            reference=f"AAAA-AA{len(seats):02}",
            show=seat.show,
            channel=Channel.BOX_OFFICE,
            customer_name="Cora Counter",
            customer_email=address,
            total=Decimal("12.00"),
            currency="USD",
        )
        Booking.objects.create(show=seat.show, seat=seat, order=order, price=seat.price)
        confirm_again([order])
    (message,) = posted()
    assert message.to == ["counter@example.com"]


def test_a_booking_of_the_original_tables_gets_mail_too(
    customer: APIClient, user: User, seats: list[Seat], posted: Posted
) -> None:
    booking = Booking.objects.create(user=user, show=seats[0].show, seat=seats[0])
    customer.post(f"/api/bookings/{booking.pk}/cancel")
    (message,) = posted()
    assert "Reference" not in message.body
    assert "US$12.00" in message.body


def test_each_mail_is_in_the_language_of_its_order(
    customer: APIClient, user: User, seats: list[Seat], posted: Posted
) -> None:
    languages = ["fr", "en", "de", "es"]
    for seat, language in zip(seats, languages, strict=False):
        reference = bought(customer, seat)["order"]["reference"]
        Order.objects.filter(reference=reference).update(language=language)
    mails_sent = posted()
    assert [mail.extra_headers["Content-Language"] for mail in mails_sent] == languages
    assert len({mail.subject for mail in mails_sent}) == len(languages)


def test_a_booking_of_the_original_tables_gets_mail_in_the_language_of_the_buyer(
    customer: APIClient, user: User, seats: list[Seat], posted: Posted
) -> None:
    User.objects.update(language="es")
    booking = Booking.objects.create(user=user, show=seats[0].show, seat=seats[0])
    customer.post(f"/api/bookings/{booking.pk}/cancel", headers={"accept-language": "de"})
    (message,) = posted()
    assert message.extra_headers["Content-Language"] == "es"


def test_a_removed_user_gets_no_mail(
    customer: APIClient, user: User, seats: list[Seat], posted: Posted
) -> None:
    bought(customer, seats[0])
    remove_person(user_id=user.pk)
    assert posted() == []


def test_a_line_break_in_a_title_does_not_end_the_header(
    customer: APIClient, seats: list[Seat], posted: Posted
) -> None:
    seats[0].show.movie.title = "Salt\r\nBcc: all@example.com"
    seats[0].show.movie.save()
    bought(customer, seats[0])
    (message,) = posted()
    assert message.subject == "Your tickets for Salt Bcc: all@example.com"
    assert message.recipients() == message.to
