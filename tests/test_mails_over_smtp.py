"""Mails as a real mail server receives them: Django's outbox of tests accepts any header."""

import os
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import formataddr
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts.mails import notify_owner, send_password_reset
from accounts.models import User
from benchmarks.servers import free_port
from booking_site.tasks.worker import Worker
from bookings import mails
from bookings.models import Booking, Channel, Order
from catalog.models import Seat, Theatre
from tests.bookings.calls import bought
from tests.factories import ShowFactory, make_seats
from tests.web import ROOT, database_url

pytestmark = pytest.mark.django_db

NAMES = (
    "Rex, Royal",
    "Kino: Rex",
    "Rex; Royal",
    "Rex @ the Pier",
    "Kino [1]",
    "Rex (Royal)",
    'The "Rex"',
    "Rex\\Royal",
    "Café Rex, Royal",
    "電影院\N{FULLWIDTH COLON}王",
    "Rex\r\nBcc: all@example.com",
    "\N{CLAPPER BOARD}" * 200,
    "Rex, " * 39 + "Rex",
)


class Mailbox:
    """The messages that were received, also those that were refused then with `answer`."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.contents: list[bytes] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.contents.append(envelope.content)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return self.answer


@pytest.fixture
def server() -> Iterator[Controller]:
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def mailbox(server: Controller, settings: Any) -> Mailbox:
    """The mailbox of the mail server that this process sends to."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.hostname, server.port
    settings.DEFAULT_FROM_EMAIL = "Rex <tickets@rex.example>"
    return server.handler


@pytest.fixture
def seats(db: None) -> list[Seat]:
    theatre = {"theatre__name": "Rex & Royal", "theatre__contact_email": "desk@rex.example"}
    return make_seats(ShowFactory(**theatre), "SSSS")


def work() -> None:
    """Send everything that is due."""
    worker = Worker()
    while worker.do_next():
        pass


def send_every_kind(customer: APIClient, seats: list[Seat]) -> None:
    account = {"name": "Lena", "email": "lena@example.com", "password": "seven seals in the bay"}
    APIClient().post("/api/auth/register", account, format="json")
    send_password_reset.enqueue(email=account["email"])
    notify_owner(User.objects.get(email=account["email"]), "password")
    answer = bought(customer, *seats[:2])
    work()
    customer.post(f"/api/bookings/{answer['booking']['id']}/cancel")
    bookings = Booking.objects.order_by("pk")
    mails.notify_buyers(mails.show_cancelled, bookings)
    mails.notify_buyers(mails.show_moved, bookings, was_starts="yesterday", was_screen="")
    work()


def test_every_mail_is_an_automatic_message_of_the_senders_domain(
    customer: APIClient, user: User, seats: list[Seat], mailbox: Mailbox
) -> None:
    send_every_kind(customer, seats)
    templates = (ROOT / "templates/mail").iterdir()
    kinds = {file.stem for file in templates if '{% extends "mail/base' in file.read_text()}
    assert len({message["Subject"] for message in mailbox.received}) == len(kinds)
    for message in mailbox.received:
        assert message["From"] == "Rex <tickets@rex.example>"
        assert message["Message-ID"].endswith("@rex.example>")
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Date"].datetime is not None
        assert message.get_content_type() == "multipart/alternative"
        types = [part.get_content_type() for part in message.iter_parts()]
        assert types == ["text/plain", "text/html"]
        replies = str(message["Reply-To"]) if "Reply-To" in message else None
        about_purchase = message["To"] == user.email
        assert replies == ("Rex & Royal <desk@rex.example>" if about_purchase else None)
    # Not all mail programs read an identity that is on the next line.
    assert all(b"\r\nMessage-ID: <" in content for content in mailbox.contents)
    identities = [message["Message-ID"] for message in mailbox.received]
    assert len(set(identities)) == len(identities) == len(kinds)


@pytest.mark.parametrize("is_user", [True, False])
def test_an_address_from_plain_sql_is_not_sent_to_another_domain(
    customer: APIClient, user: User, seats: list[Seat], mailbox: Mailbox, is_user: bool
) -> None:
    """Django encodes domains by IDNA 2003, in which ß is ss."""
    bought(customer, *seats)
    if is_user:
        User.objects.filter(pk=user.pk).update(email="u@straße.example")
    else:
        Booking.objects.update(user=None)
        Order.objects.update(
            user=None, channel=Channel.BOX_OFFICE, customer_email="u@straße.example"
        )
    work()
    assert [message["To"] for message in mailbox.received] == ["u@xn--strae-oqa.example"]


def test_without_a_contact_address_replies_go_to_the_sender(
    customer: APIClient, seats: list[Seat], mailbox: Mailbox
) -> None:
    Theatre.objects.update(contact_email="")
    bought(customer, *seats)
    work()
    (message,) = mailbox.received
    assert "Reply-To" not in message


def test_every_attempt_of_a_task_has_the_same_message_id(
    customer: APIClient, seats: list[Seat], mailbox: Mailbox
) -> None:
    answer = bought(customer, *seats)
    work()
    customer.post(f"/api/orders/{answer['order']['reference']}/cancel")
    mailbox.received.clear()
    for mailbox.answer in ("451 Try again later", "250 OK"):
        DBTaskResult.objects.update(run_after=timezone.now())
        work()
    first, second = mailbox.received
    assert first["Message-ID"] == second["Message-ID"]
    (task,) = DBTaskResult.objects.all()
    assert first["Message-ID"] == f"<{task.pk.hex}@rex.example>"


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_theatre_can_be_replied_to(
    customer: APIClient, seats: list[Seat], mailbox: Mailbox, name: str
) -> None:
    Theatre.objects.update(name=name)
    bought(customer, *seats)
    work()
    (message,) = mailbox.received
    (contact,) = message["Reply-To"].addresses
    # Without spaces, because Python reads one between two encoded words.
    assert "".join(contact.display_name.split()) == "".join(name.split())
    assert contact.addr_spec == "desk@rex.example"
    assert "Bcc" not in message
    assert max(map(len, mailbox.contents[0].splitlines())) <= 998  # RFC 5322


NAME = 'Café: "Rex", Royal; [1] @ the Pier'
QUOTED = NAME.replace('"', '\\"')


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"SITE_NAME": NAME}, "no-reply@localhost"),
        ({"MAIL_FROM": f'"{QUOTED}" <tickets@rex.example>'}, "tickets@rex.example"),
        ({"MAIL_FROM": formataddr((NAME, "tickets@rex.example"))}, "tickets@rex.example"),
    ],
    ids=["name of the site", "sender", "encoded sender"],
)
def test_a_worker_sends_under_any_name(
    customer: APIClient,
    seats: list[Seat],
    server: Controller,
    variables: dict[str, str],
    address: str,
) -> None:
    bought(customer, *seats)
    subprocess.run(
        [sys.executable, "manage.py", "worker", "--until-empty"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
            **variables,
        },
        check=True,
    )
    (message,) = server.handler.received
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (NAME, address)
