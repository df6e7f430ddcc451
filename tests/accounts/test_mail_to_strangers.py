"""Mails to an address that nobody has confirmed contain nothing that a stranger has typed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from bookings import mails
from bookings.models import Order
from catalog.models import Seat
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import bought
from tests.factories import ShowFactory, UserFactory, make_seats

TYPED = "You have won. Call 555 0199"

pytestmark = pytest.mark.django_db

Posted = Callable[[], list[EmailMultiAlternatives]]


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


def send_all_mails_about(order: Order) -> None:
    """Send what customers get about a purchase, except the confirmation."""
    bookings = list(order.bookings.all())
    mails.notify_of_moved_show(order.show, bookings)
    mails.notify_buyers(mails.show_cancelled, bookings)
    mails.notify_buyers(mails.bookings_cancelled, bookings)


def subjects_without_typed_text(messages: list[EmailMultiAlternatives], to: str) -> list[str]:
    for message in messages:
        assert message.to == [to]
        source = message.message().as_string()
        (html,) = [str(part.content) for part in message.alternatives]
        for text in (source, message.body, html):
            assert "won" not in text
    return sorted(message.subject.partition(":")[0] for message in messages)


def test_an_unconfirmed_account_is_not_greeted_by_name(
    call: Callable[..., Any], seats: list[Seat], office: Client, posted: Posted
) -> None:
    account = call(
        "register", {"name": TYPED, "email": "victim@example.com", "password": PASSWORD}
    ).json()
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {account['token']}")
    call("password/reset", {"email": "victim@example.com"})
    assert client.post("/api/auth/email/resend", {}, format="json").status_code == 202
    bought(client, *seats[:2])
    send_all_mails_about(Order.objects.get())
    form = {"password1": "nine newts under stones", "password2": "nine newts under stones"}
    office.post(reverse("admin:auth_user_password_change", args=[account["id"]]), form)
    assert subjects_without_typed_text(posted(), "victim@example.com") == [
        "Cancelled",
        "Please confirm your e-mail address",
        "Please confirm your e-mail address",
        "Set a new password",
        "Show cancelled",
        "Show moved",
        "Your password was changed",
        f"Your tickets for {seats[0].show.movie.title}",
    ]


def test_a_walk_in_customer_is_not_greeted_by_name(
    office: Client, seats: list[Seat], posted: Posted
) -> None:
    form = {
        "token": "0" * 32,
        "seat": [seats[0].pk],
        "customer_name": TYPED,
        "customer_email": "victim@example.com",
    }
    office.post(reverse("box-office-sell", args=[seats[0].show_id]), form)
    send_all_mails_about(Order.objects.get(customer_name=TYPED))
    assert subjects_without_typed_text(posted(), "victim@example.com") == [
        "Cancelled",
        "Show cancelled",
        "Show moved",
        f"Your tickets for {seats[0].show.movie.title}",
    ]


def test_a_confirmed_account_is_greeted_by_name(
    login: Callable[[User], APIClient], seats: list[Seat], posted: Posted
) -> None:
    buyer = UserFactory(name="Lena Lion", email_confirmed_at=timezone.now())
    bought(login(buyer), seats[0])
    (message,) = posted()
    assert message.body.startswith("Hello Lena Lion,")
