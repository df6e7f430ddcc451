"""A mail server that refuses, hangs, or loses the connection at the worst moment."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.db.models.functions import Now
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts.mails import send_password_reset
from accounts.models import User
from benchmarks.servers import free_port
from booking_site.tasks import mail_server, queue
from booking_site.tasks.outbox import ATTEMPTS_IF_REFUSED, PAUSES
from booking_site.tasks.worker import Worker
from bookings.models import Booking, Order
from bookings.show_changes.cancelling import cancel_show, live_purchases
from catalog.models import Seat
from tests.bookings.calls import bought
from tests.factories import ShowFactory, make_seats
from tests.test_mails_over_smtp import Mailbox, send_every_kind

pytestmark = pytest.mark.django_db


class Forgetful(Mailbox):
    """Accepts every message, but drops the connection before it confirms the first one."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        ids = [message["Message-ID"] for message in self.received]
        if ids.count(ids[-1]) == 1:
            server.transport.abort()
            await asyncio.Future()  # the connection is gone
        return answer


@pytest.fixture
def port(settings: Any) -> int:
    """The port that this process sends mails to; nothing listens there yet."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.DEFAULT_FROM_EMAIL = "Rex <tickets@rex.example>"
    return int(settings.EMAIL_PORT)


@pytest.fixture
def seats(db: None) -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_server, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def mailbox(port: int) -> Iterator[Mailbox]:
    yield from _mailbox(Mailbox(), port)


@pytest.fixture
def forgetful(port: int) -> Iterator[Mailbox]:
    yield from _mailbox(Forgetful(), port)


def _mailbox(mailbox: Mailbox, port: int) -> Iterator[Mailbox]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield mailbox
    controller.stop()


def request_mails(*names: str) -> None:
    for name in names:
        User.objects.create_user(email=f"{name}@example.com", name=name, password=None)
        send_password_reset.enqueue(email=f"{name}@example.com")


def attempts() -> dict[str, int]:
    return {
        row.args_kwargs["kwargs"]["email"].partition("@")[0]: len(row.worker_ids)
        for row in DBTaskResult.objects.all()
    }


def drain(worker: Worker) -> None:
    while worker.do_next():
        pass


def test_after_a_failure_of_the_server_no_mail_is_tried_for_a_moment(
    port: int, customer: APIClient, seats: list[Seat]
) -> None:
    request_mails("first", "second")
    bought(customer, seats[0])
    worker = Worker()
    assert worker.do_next()
    assert not worker.do_next()
    assert sum(attempts().values()) + Order.objects.get().confirmation_attempts == 1
    drain(Worker())  # another worker does not know


def test_cancelling_a_show_does_not_wait_for_a_server_that_hangs(
    settings: Any, port: int, customer: APIClient, seats: list[Seat], staff: User
) -> None:
    settings.EMAIL_TIMEOUT = 0.2
    with socket.create_server(("127.0.0.1", port)) as silent:
        silent.setblocking(False)
        for seat in seats[:2]:
            bought(customer, seat)
        request_mails("first", "second")
        cancel_show(show_id=seats[0].show_id, orders=2, reason="No power", actor=staff)
        worker = Worker()
        assert worker.do_next()
        with pytest.raises(BlockingIOError):
            silent.accept()
        assert live_purchases(seats[0].show_id) == 0
        worker.do_next()
        silent.accept()[0].close()


def test_cancelling_a_show_goes_on_while_the_server_is_avoided(
    port: int, customer: APIClient, seats: list[Seat], staff: User
) -> None:
    bought(customer, seats[0])
    worker = Worker()
    drain(worker)
    assert mail_server.mail_server.is_avoided()
    cancel_show(show_id=seats[0].show_id, orders=1, reason="No power", actor=staff)
    drain(worker)
    assert not Booking.objects.filter(cancelled_at=None).exists()


@pytest.mark.usefixtures("_no_pause")
def test_the_first_mail_sent_after_an_outage_makes_the_others_due(
    port: int, customer: APIClient, seats: list[Seat]
) -> None:
    request_mails("first", "second")
    bought(customer, seats[0])
    worker = Worker()
    drain(worker)
    assert queue.backlogs()[0].waiting == 2
    Order.objects.update(confirmation_due_at=Now() + PAUSES[-1])
    for mailbox in _mailbox(Mailbox(), port):
        request_mails("third")
        drain(worker)
        assert len(mailbox.received) == 4
    assert [backlog.waiting for backlog in queue.backlogs()] == [0, 0]


def test_a_mail_that_the_server_refuses_is_not_an_outage(mailbox: Mailbox) -> None:
    worker = Worker()
    request_mails("sent")
    drain(worker)
    mailbox.answer = "451 Not now"
    request_mails("refused")
    drain(worker)
    mailbox.answer = "250 OK"
    request_mails("also-sent")
    drain(worker)
    assert attempts() == {"sent": 1, "refused": 1, "also-sent": 1}
    assert queue.backlogs()[0].waiting == 1


@pytest.mark.parametrize(("answer", "given_up"), [("550 Unknown", True), ("450 Not now", False)])
def test_a_recipient_refused_for_good_is_soon_given_up(
    mailbox: Mailbox,
    customer: APIClient,
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    given_up: bool,
) -> None:
    async def refuse(*_: Any) -> str:
        return answer

    monkeypatch.setattr(Mailbox, "handle_RCPT", refuse, raising=False)
    request_mails("typo")
    bought(customer, seats[0])
    worker = Worker()
    for attempt in range(ATTEMPTS_IF_REFUSED):
        assert [backlog.given_up for backlog in queue.backlogs()] == [0, 0], attempt
        DBTaskResult.objects.update(run_after=Now())
        Order.objects.unsent().update(confirmation_due_at=Now())
        drain(worker)
    assert [backlog.given_up for backlog in queue.backlogs()] == [given_up, given_up]
    assert [backlog.waiting for backlog in queue.backlogs()] == [not given_up, not given_up]
    assert queue.retry_now() == 2 * (not given_up)


@pytest.mark.usefixtures("_no_pause")
def test_a_repeated_mail_of_any_kind_has_the_message_id_of_the_first(
    forgetful: Mailbox, customer: APIClient, seats: list[Seat]
) -> None:
    """So that a mailbox can drop repeated messages."""
    send_every_kind(customer, seats)
    for _ in range(10):
        DBTaskResult.objects.update(run_after=Now())
        Order.objects.unsent().update(confirmation_due_at=Now())
        drain(Worker())
    copies = Counter(message["Message-ID"] for message in forgetful.received)
    assert set(copies.values()) == {2}
    subjects = {message["Message-ID"]: message["Subject"] for message in forgetful.received}
    assert len(set(subjects.values())) == len(subjects)


def test_the_age_of_the_queue_survives_failed_attempts(port: int) -> None:
    request_mails("first")
    DBTaskResult.objects.update(enqueued_at=Now() - timedelta(hours=2))
    drain(Worker())
    (tasks, _) = queue.backlogs()
    assert attempts() == {"first": 1}
    assert tasks.seconds >= 7200
