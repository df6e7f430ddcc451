"""The confirmation of an order: sent at least once, whatever fails."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from rest_framework.test import APIClient

from accounts.audit import history_of
from accounts.models import User
from accounts.roles import ensure_roles
from booking_site.tasks.outbox import ATTEMPTS, PAUSES, Backlog, pause_after
from bookings import confirmations
from bookings.confirmations import backlog, confirm_again, retry_now, send_next
from bookings.models import Order
from catalog.models import Seat
from tests.bookings.calls import bought, elsewhere
from tests.factories import UserFactory
from tests.web import ROOT, database_url

pytestmark = pytest.mark.django_db

Posted = Callable[[], list[EmailMultiAlternatives]]
Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@pytest.fixture
def order(customer: APIClient, seats: list[Seat]) -> Order:
    bought(customer, *seats[:2])
    return Order.objects.get()


def make_due() -> None:
    Order.objects.exclude(confirmation_due_at=None).update(confirmation_due_at=timezone.now())


def message_ids() -> list[str]:
    return [message.message()["Message-ID"] for message in mail.outbox]


class Refusing:
    """A mail server that refuses every mail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def send_messages(self, messages: Sequence[Any]) -> int:
        raise OSError("lena@example.com is not known here")


@pytest.fixture
def refusing(settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"


def test_a_confirmation_is_sent_once_and_recorded(order: Order) -> None:
    assert send_next()
    assert not send_next()
    order.refresh_from_db()
    assert order.confirmation_sent_at is not None
    assert (order.confirmation_due_at, order.confirmation_attempts) == (None, 1)
    assert len(mail.outbox) == 1


def test_plain_sql_that_names_no_confirmation_sends_none(
    user: User, seats: list[Seat], posted: Posted
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders (reference, user_id, show_id, channel, customer_name,"
            " customer_email, total, currency)"
            " VALUES ('AAAA-AAAA', %s, %s, 'web', '', '', 1, 'USD')",
            [user.pk, seats[0].show_id],
        )
    assert Order.objects.get().status == "confirmed"
    assert posted() == []


def test_the_message_id_names_the_order_and_counts_the_requests(
    order: Order, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "Rex <tickets@rex.example>"
    confirmations._claim()  # a worker that is killed before or after it has sent
    make_due()
    send_next()
    confirm_again([order])
    send_next()
    assert message_ids() == [
        f"<confirmation.{order.reference}.1@rex.example>",
        f"<confirmation.{order.reference}.2@rex.example>",
    ]


def test_a_sender_without_a_display_name_has_a_domain_too(order: Order, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "tickets@rex.example"
    send_next()
    assert parseaddr(message_ids()[0])[1].endswith("@rex.example")


@pytest.mark.usefixtures("refusing")
def test_a_refused_confirmation_leaves_no_language_behind(order: Order) -> None:
    Order.objects.update(language="fr")
    assert send_next()
    assert translation.get_language() == "en"


@pytest.mark.usefixtures("refusing")
def test_a_refused_confirmation_is_retried_later_and_finally_given_up(
    order: Order, caplog: pytest.LogCaptureFixture
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        make_due()
        before = Order.objects.values_list(Now(), flat=True).get()
        assert (backlog().waiting, backlog().given_up) == (1, 0)
        assert send_next()
        assert not send_next()
        order.refresh_from_db()
        assert order.confirmation_attempts == attempt
        if attempt < ATTEMPTS:
            assert order.confirmation_due_at >= before + pause_after(attempt)
    make_due()
    assert not send_next()
    assert backlog() == Backlog(waiting=0, given_up=1, age=None)
    assert list(Order.objects.unsent()) == [order]
    assert caplog.text.count("raised OSError; retrying") == ATTEMPTS - 1
    assert "raised OSError; given up" in caplog.text
    assert "lena" not in caplog.text


def test_a_confirmation_that_kills_every_worker_is_given_up(order: Order) -> None:
    for _ in range(ATTEMPTS):
        make_due()
        assert confirmations._claim()
    make_due()
    assert not send_next()
    assert list(Order.objects.unsent()) == [order]


@pytest.mark.django_db(transaction=True)
def test_the_confirmation_of_a_killed_worker_is_sent_by_the_next(
    order: Order, posted: Posted
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "EMAIL_URL": f"smtp://127.0.0.1:{port}",
            },
        )
        line, _ = silent.accept()
        worker.kill()
        line.close()
        worker.wait()
    order.refresh_from_db()
    assert order.confirmation_attempts == 1
    assert posted() == []  # it might still be alive
    make_due()
    assert len(posted()) == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_locked_while_a_confirmation_is_sent(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(order: Order) -> bool:
        elsewhere(lambda: Order.objects.update(customer_name="Lena"))
        return True

    monkeypatch.setattr(confirmations, "send_confirmation", send)
    assert send_next()
    order.refresh_from_db()
    assert order.confirmation_sent_at is not None


def test_a_confirmation_requested_while_another_is_sent_is_sent_too(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(order: Order) -> bool:
        confirm_again([order])
        confirmations._claim()  # by another worker, which is killed
        return True

    with monkeypatch.context() as context:
        context.setattr(confirmations, "send_confirmation", send)
        send_next()
    make_due()
    assert send_next()
    assert len(mail.outbox) == 1


def test_a_confirmation_that_is_being_sent_is_not_made_due(order: Order) -> None:
    confirmations._claim()  # by another worker, which is sending it
    assert retry_now() == 0
    assert not send_next()
    Order.objects.update(confirmation_due_at=Now() + PAUSES[-1])
    assert retry_now() == 1
    assert send_next()


@pytest.fixture
def many(customer: APIClient, seats: list[Seat]) -> list[str]:
    """Twelve orders; their references."""
    return [bought(customer, seat)["order"]["reference"] for seat in seats]


def drain() -> None:
    while send_next():
        pass


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_send_the_same_confirmation(many: list[str], race: Race) -> None:
    assert race([drain] * 3) == [None] * 3
    assert len(mail.outbox) == len(set(message_ids())) == len(many)


@pytest.mark.usefixtures("many", "without_locks")
@pytest.mark.django_db(transaction=True)
def test_without_the_lock_two_workers_send_the_same_confirmation(race: Race) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""

    def happens() -> bool:
        Order.objects.update(confirmation_due_at=timezone.now(), confirmation_sent_at=None)
        mail.outbox.clear()
        race([drain] * 3)
        return len(mail.outbox) > len(set(message_ids()))

    assert any(happens() for _ in range(20))


def test_an_order_cancelled_before_its_confirmation_gets_none(
    order: Order, customer: APIClient, posted: Posted
) -> None:
    confirmations._claim()  # and that attempt has failed
    customer.post(f"/api/orders/{order.reference}/cancel", {}, format="json")
    make_due()
    (message,) = posted()
    assert "confirmation" not in message.message()["Message-ID"]
    order.refresh_from_db()
    assert (order.confirmation_due_at, order.confirmation_sent_at) == (None, None)
    assert not Order.objects.unsent().exists()


def test_an_order_without_an_address_is_not_retried(order: Order, posted: Posted) -> None:
    assert order.user
    User.objects.filter(pk=order.user.pk).update(is_active=False)
    assert posted() == []
    assert not Order.objects.unsent().exists()


@pytest.mark.usefixtures("refusing")
def test_the_age_of_a_confirmation_begins_when_it_is_requested(order: Order) -> None:
    Order.objects.update(created_at=Now() - timedelta(hours=2))
    assert backlog().age >= timedelta(hours=2)
    assert send_next()  # a failed attempt does not make it younger
    assert backlog().age >= timedelta(hours=2)
    confirm_again([order])
    assert backlog().age < timedelta(hours=2)
    Order.objects.update(confirmation_due_at=None)
    assert backlog() == Backlog(waiting=0, given_up=0, age=None)


# The back office

ORDERS = "admin:bookings_order_changelist"


@pytest.mark.parametrize(
    ("facts", "words", "filters"),
    [
        ({}, "No mail is due", set()),
        ({"confirmation_sent_at": timezone.now(), "confirmation_attempts": 2}, "Sent", set()),
        ({"confirmation_due_at": timezone.now()}, "Due", {"unsent"}),
        (
            {"confirmation_due_at": timezone.now(), "confirmation_attempts": ATTEMPTS},
            "Given up",
            {"unsent", "given_up"},
        ),
    ],
)
def test_the_back_office_shows_the_status_of_a_confirmation(
    office: Client, order: Order, facts: dict[str, Any], words: str, filters: set[str]
) -> None:
    Order.objects.update(**{"confirmation_due_at": None} | facts)
    assert words in office.get(reverse("admin:bookings_order_change", args=[order.pk])).text
    for name in ("unsent", "given_up"):
        listed = office.get(reverse(ORDERS), {"confirmation": name})
        assert list(listed.context["cl"].result_list) == [order] * (name in filters)


def ask_again(client: Client, order: Order) -> None:
    client.post(reverse(ORDERS), {"action": "send_again", "_selected_action": [order.pk]})


def test_staff_can_have_a_confirmation_sent_again(
    office: Client, staff: User, order: Order, posted: Posted
) -> None:
    posted()
    ask_again(office, order)
    assert len(posted()) == 1
    (entry,) = history_of(order)
    assert (entry.actor, entry.action) == (staff, "confirmation_requested")


def test_a_cancelled_order_is_not_confirmed_again(
    office: Client, order: Order, posted: Posted
) -> None:
    Order.objects.update(status="cancelled", confirmation_due_at=None)
    ask_again(office, order)
    assert posted() == []
    assert not history_of(order).exists()


@pytest.mark.parametrize("role", ["Usher", "Box office"])
def test_only_staff_who_sell_in_the_theatre_can_have_it_sent_again(
    client: Client, order: Order, posted: Posted, role: str
) -> None:
    ensure_roles()
    person = UserFactory(is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    posted()
    ask_again(client, order)
    assert posted() == []  # of another theatre
    order.show.theatre.staff.add(person)
    ask_again(client, order)
    assert len(posted()) == (role == "Box office")
