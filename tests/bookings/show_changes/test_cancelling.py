"""Cancelling a show: no sale follows, every customer gets one mail, crashes repeat nothing."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from time import monotonic
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts.audit import history_of
from accounts.models import User
from booking_site.tasks.worker import Worker, rescue_tasks
from bookings import mails
from bookings.integrity.invariants import examine
from bookings.models import Booking, Hold, Order
from bookings.show_changes import cancelling
from bookings.show_changes.cancelling import (
    OrdersChanged,
    cancel_orders,
    cancel_show,
    cancellation_of,
    live_purchases,
    purchases,
)
from catalog.errors import ShowClosed, ShowNotFound
from catalog.models import Seat, Show, ShowStatus
from tests.bookings.calls import book_seats, bought, elsewhere, held, refusal, start_in
from tests.bookings.test_races import wait_for_waiters
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import ROOT, database_url

pytestmark = pytest.mark.django_db

Login = Callable[[User], APIClient]
Posted = Callable[[], list[EmailMultiAlternatives]]
Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@pytest.fixture
def show() -> Show:
    show = ShowFactory(movie__title="Vertigo")
    make_seats(show, *["SSSSSSSSSS"] * 3)
    return show


@pytest.fixture
def seats(show: Show) -> list[Seat]:
    return list(show.seats.order_by("pk"))


def cancel(show: Show, actor: User, *, orders: int | None = None) -> None:
    count = live_purchases(show.pk) if orders is None else orders
    cancel_show(show_id=show.pk, orders=count, reason="Projector broken", actor=actor)


def sell(login: Login, seats: Sequence[Seat], *, orders: int) -> None:
    for number, user in enumerate(UserFactory.create_batch(orders)):
        bought(login(user), *seats[2 * number : 2 * number + 2])


def work() -> None:
    worker = Worker()
    while worker.do_next_task():
        pass


def assert_sound() -> None:
    assert [finding for finding in examine() if finding.is_violation] == []


def test_the_show_is_closed_at_once_and_its_orders_wait_for_the_worker(
    show: Show, seats: list[Seat], staff: User, login: Login, customer: APIClient
) -> None:
    sell(login, seats, orders=2)
    cancel(show, staff)
    show.refresh_from_db()
    assert show.status == ShowStatus.CANCELLED
    assert refusal(book_seats(customer, seats[9])) == (409, "show_closed")
    assert [(each.seats, each.left, each.status) for each in purchases(show.pk)] == [
        (2, 2, "waiting")
    ] * 2
    (entry,) = history_of(show)
    assert (entry.actor, entry.reason, entry.facts) == (staff, "Projector broken", {"orders": 2})


def test_the_worker_cancels_every_order_and_sends_every_customer_one_mail(
    show: Show, seats: list[Seat], staff: User, login: Login, posted: Posted
) -> None:
    sell(login, seats, orders=3)
    posted()
    cancel(show, staff)
    messages = posted()
    assert sorted(message.to[0] for message in messages) == sorted(
        order.user.email for order in Order.objects.select_related("user") if order.user
    )
    assert {message.subject for message in messages} == {"Show cancelled: Vertigo"}
    for booking in Booking.objects.all():
        assert booking.cancelled_at is not None
        assert (booking.cancelled_by, booking.cancel_reason) == (staff, "Projector broken")
    assert [each.status for each in purchases(show.pk)] == ["cancelled"] * 3
    assert set(Seat.objects.values_list("status", flat=True)) == {"available"}
    (entry,) = history_of(Order.objects.earliest("pk"))
    assert (entry.action, entry.actor) == ("order_cancelled", staff)
    assert_sound()


def test_holds_end_with_the_show(
    show: Show, seats: list[Seat], staff: User, customer: APIClient
) -> None:
    held(customer, seats[0])
    cancel(show, staff)
    work()
    assert Hold.objects.get().end_reason == "released"
    assert Seat.objects.get(pk=seats[0].pk).status == "available"


def test_bookings_without_an_order_are_cancelled_too(
    show: Show, seats: list[Seat], staff: User, user: User
) -> None:
    with connection.cursor() as cursor:
        for seat in seats[:2]:
            cursor.execute(
                "INSERT INTO bookings (user_id, show_id, seat_id) VALUES (%s, %s, %s)",
                [user.pk, show.pk, seat.pk],
            )
    Seat.objects.filter(pk__in=[seats[0].pk, seats[1].pk]).update(status="booked")
    assert live_purchases(show.pk) == 2
    cancel(show, staff)
    work()
    assert not Booking.objects.filter(cancelled_at=None).exists()
    assert [each.name for each in purchases(show.pk)] == [
        f"Booking {booking.pk}" for booking in Booking.objects.order_by("pk")
    ]


def test_bookings_cancelled_earlier_do_not_change(
    show: Show, seats: list[Seat], staff: User, user: User, customer: APIClient
) -> None:
    number = bought(customer, seats[0])["booking"]["id"]
    customer.post(f"/api/bookings/{number}/cancel", {}, format="json")
    cancel(show, staff, orders=0)
    work()
    assert Booking.objects.get().cancelled_by == user
    assert purchases(show.pk) == []


# The guards


@pytest.mark.parametrize("typed", [0, 2])
def test_a_wrong_number_of_orders_cancels_nothing(
    typed: int, show: Show, seats: list[Seat], staff: User, customer: APIClient
) -> None:
    bought(customer, seats[0])
    with pytest.raises(OrdersChanged) as refused:
        cancel(show, staff, orders=typed)
    assert refused.value.facts == {"orders": 1}
    assert Show.objects.get().status == ShowStatus.OPEN
    assert cancellation_of(show.pk) is None


def test_a_show_that_has_begun_cannot_be_cancelled(show: Show, staff: User) -> None:
    start_in(show, minutes=-1)
    with pytest.raises(ShowClosed):
        cancel(show, staff)
    with pytest.raises(ShowNotFound):
        cancel_show(show_id=0, orders=0, reason="", actor=staff)


def test_cancelling_twice_has_one_effect(
    show: Show, seats: list[Seat], staff: User, customer: APIClient, posted: Posted
) -> None:
    bought(customer, seats[0])
    posted()
    cancel(show, staff)
    cancel(show, staff, orders=7)
    cancel_orders.enqueue(show_id=show.pk)
    assert len(posted()) == 1
    before = list(Booking.objects.values())
    cancel_orders.call(show_id=show.pk)
    assert list(Booking.objects.values()) == before
    assert len(history_of(show)) == len(history_of(Order.objects.get())) == 1


def test_orders_of_a_reopened_show_are_not_cancelled(
    show: Show, seats: list[Seat], staff: User, customer: APIClient
) -> None:
    cancel(show, staff)
    work()
    Show.objects.update(status=ShowStatus.OPEN)
    bought(customer, seats[0])
    cancel_orders.call(show_id=show.pk)
    assert Booking.objects.get().cancelled_at is None


def test_query_count_of_a_batch_does_not_grow_with_the_room(
    show: Show, seats: list[Seat], staff: User, login: Login
) -> None:
    sell(login, seats, orders=12)
    with CaptureQueriesContext(connection) as queries:
        cancel(show, staff)
    assert len(queries) <= 10
    with CaptureQueriesContext(connection) as queries:
        purchases(show.pk)
    assert len(queries) <= 2


# Crashes


def test_an_error_in_the_middle_loses_and_repeats_nothing(
    show: Show,
    seats: list[Seat],
    staff: User,
    login: Login,
    posted: Posted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cancelling, "PURCHASES_PER_BATCH", 2)
    sell(login, seats, orders=5)
    posted()
    notify, notified = mails.notify_buyers, []

    def fail_at_the_second_batch(mail: Any, bookings: list[Booking]) -> None:
        notify(mail, bookings)
        notified.append(bookings)
        if len(notified) == 2:
            raise OSError

    cancel(show, staff)
    monkeypatch.setattr(mails, "notify_buyers", fail_at_the_second_batch)
    with pytest.raises(OSError):  # noqa: PT011 - ours, without a text
        cancel_orders.call(show_id=show.pk)
    assert sorted(each.status for each in purchases(show.pk)) == ["cancelled"] * 2 + ["waiting"] * 3
    first = list(Booking.objects.filter(cancelled_at__isnull=False).order_by("pk").values())
    assert len(posted()) == 5
    unchanged = Booking.objects.filter(pk__in=[row["id"] for row in first]).order_by("pk")
    assert list(unchanged.values()) == first
    assert [each.left for each in purchases(show.pk)] == [0] * 5


@pytest.mark.django_db(transaction=True)
def test_the_next_worker_continues_after_one_is_killed(
    show: Show, seats: list[Seat], staff: User, login: Login, posted: Posted
) -> None:
    sell(login, seats, orders=3)
    posted()
    cancel(show, staff)
    with transaction.atomic(), a_worker() as process:
        Seat.objects.select_for_update().get(pk=seats[0].pk)
        wait_for_task("RUNNING")
        wait_for_waiters(1)  # in the middle of its first batch
        process.kill()
    assert [each.status for each in purchases(show.pk)] == ["waiting"] * 3
    wait_for_task("READY")
    assert len(posted()) == 3
    assert [each.status for each in purchases(show.pk)] == ["cancelled"] * 3
    assert_sound()


@contextmanager
def a_worker() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "EMAIL_URL": "dummymail://"},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def wait_for_task(status: str) -> None:
    """Wait for the status; rescue tasks of workers whose session has ended."""
    tasks = DBTaskResult.objects.filter(task_path__endswith="cancel_orders")
    give_up = monotonic() + 60
    while tasks.get().status != status:
        assert monotonic() < give_up
        rescue_tasks()


# Buyers at the same moment


def buy_while_it_is_cancelled(
    race: Race, show: Show, staff: User, client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Buy just before the show is closed, and return the answer."""
    seats = list(show.seats.order_by("pk"))
    counted = Event()
    count = cancelling.live_purchases

    def count_and_let_buy(show_id: int) -> int:
        number = count(show_id)
        counted.set()
        wait_for_waiters(1)
        return number

    monkeypatch.setattr(cancelling, "live_purchases", count_and_let_buy)

    def buy() -> Any:
        assert counted.wait(15)
        return book_seats(client, seats[0])

    cancelled, answer = race([lambda: cancel(show, staff, orders=0), buy])
    assert cancelled is None
    return answer


@pytest.mark.django_db(transaction=True)
def test_no_seat_is_sold_while_its_show_is_cancelled(
    race: Race,
    show: Show,
    staff: User,
    customer: APIClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = buy_while_it_is_cancelled(race, show, staff, customer, monkeypatch)
    assert refusal(answer) == (409, "show_closed")
    assert not Booking.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("without_locks")
def test_without_the_seat_locks_a_seat_is_sold(
    show: Show, seats: list[Seat], staff: User, customer: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the test above: the cancellation does not count this booking."""
    count = cancelling.live_purchases

    def count_and_let_buy(show_id: int) -> int:
        number = count(show_id)
        elsewhere(lambda: bought(customer, seats[0]))
        return number

    monkeypatch.setattr(cancelling, "live_purchases", count_and_let_buy)
    cancel(show, staff, orders=0)
    assert Show.objects.get().status == ShowStatus.CANCELLED
    assert Booking.objects.filter(cancelled_at=None).count() == 1
