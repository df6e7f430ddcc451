"""Races: what stays true however many requests come at once, each with its control.

A control removes the guard and synchronizes the contenders where the guard would have separated
them. If a control fails, the test above it proves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier, Event
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.api.errors import violated_constraint
from booking_site.postgres.clock import ClockTimestamp
from bookings import idempotency, seat_choice, services, transactions
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from bookings.services import cancelling, holds, sales, seat_locks
from catalog.models import Seat, SeatStatus, Show, ShowStatus
from tests.bookings.calls import (
    book,
    book_seats,
    bought,
    elsewhere,
    held,
    hold,
    hold_seats,
    let_expire,
    refusal,
    states,
)
from tests.factories import ScreenFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)

Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]
Login = Callable[[User], APIClient]

BOOKED, TAKEN = (201, None), (409, "seat_unavailable")


@pytest.fixture
def rivals(login: Login) -> Callable[[int], list[APIClient]]:
    return lambda count: [login(user) for user in UserFactory.create_batch(count)]


@pytest.fixture
def without_index(seats: list[Seat]) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'booking_one_live_per_seat'"
        )
        definition = cursor.fetchone()[0]
        cursor.execute("DROP INDEX booking_one_live_per_seat")
        yield
        cursor.execute("DELETE FROM bookings")
        cursor.execute(definition)


def meet_after(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, contenders: int = 2) -> None:
    """Make the contenders wait for each other after each has called `where.name`."""
    meeting = Barrier(contenders, timeout=15)
    expected = iter(range(contenders))  # a retry does not wait again
    do = getattr(where, name)

    def do_and_meet(*args: Any, **kwargs: Any) -> Any:
        value = do(*args, **kwargs)
        if next(expected, None) is not None:
            meeting.wait()
        return value

    monkeypatch.setattr(where, name, do_and_meet)


def outcome(response: Response) -> tuple[int, str | None]:
    if response.status_code < 300:
        return response.status_code, None
    return refusal(response)


def outcomes(responses: list[Any]) -> Counter[tuple[int, str | None]]:
    for response in responses:
        if isinstance(response, Exception):
            raise response
    return Counter(outcome(response) for response in responses)


def wait_for_waiters(count: int) -> None:
    """Wait until `count` connections of this database wait for a lock; fail after 15 seconds."""
    give_up = monotonic() + 15
    with connection.cursor() as cursor:
        waiting = 0
        while waiting < count:
            assert monotonic() < give_up, f"{waiting} of {count} wait for a lock"
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            waiting = cursor.fetchone()[0]


def seats_agree_with_bookings_and_holds() -> bool:
    """Return whether the status of each seat agrees with its live booking or hold."""
    live_bookings = set(
        Booking.objects.filter(cancelled_at__isnull=True).values_list("seat_id", flat=True)
    )
    booked = set(Seat.objects.filter(status=SeatStatus.BOOKED).values_list("pk", flat=True))
    expected = {
        (pk, hold.pk, hold.expires_at)
        for hold in Hold.objects.filter(ended_at__isnull=True, expires_at__gt=timezone.now())
        for pk in hold.seat_ids
    }
    in_hold = set(
        Seat.objects.filter(status=SeatStatus.HELD, held_until__gt=timezone.now()).values_list(
            "pk", "hold_id", "held_until"
        )
    )
    return live_bookings == booked and expected == in_hold


# One seat, many buyers


def test_one_of_twenty_rivals_gets_the_seat(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    results = race([lambda client=client: book_seats(client, seats[0]) for client in rivals(20)])
    assert outcomes(results) == {BOOKED: 1, TAKEN: 19}
    assert (Booking.objects.count(), Order.objects.count()) == (1, 1)
    assert IdempotencyRecord.objects.count() == 1


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_only_the_index_refuses(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meet_after(monkeypatch, sales, "require_free")
    results = race([lambda client=client: book_seats(client, seats[0]) for client in rivals(2)])
    assert outcomes(results) == {BOOKED: 1, TAKEN: 1}
    assert Order.objects.count() == 1


@pytest.mark.usefixtures("without_locks", "without_index")
def test_without_lock_and_index_the_seat_is_sold_twice(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meet_after(monkeypatch, sales, "require_free")
    results = race([lambda client=client: book_seats(client, seats[0]) for client in rivals(2)])
    assert outcomes(results) == {BOOKED: 2}


@pytest.mark.usefixtures("without_index")
def test_the_lock_alone_suffices(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    results = race([lambda client=client: book_seats(client, seats[0]) for client in rivals(8)])
    assert outcomes(results) == {BOOKED: 1, TAKEN: 7}


def test_one_rival_gets_the_seat_of_an_expired_hold(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    clients = rivals(9)
    let_expire(held(clients[0], seats[0])["id"])
    results = race([lambda client=client: hold_seats(client, seats[0]) for client in clients])
    assert outcomes(results) == {BOOKED: 1, TAKEN: 8}
    assert seats_agree_with_bookings_and_holds()


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_two_rivals_get_the_seat_of_an_expired_hold(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = rivals(3)
    let_expire(held(clients[0], seats[0])["id"])
    meet_after(monkeypatch, holds, "require_free")
    results = race([lambda client=client: hold_seats(client, seats[0]) for client in clients[1:]])
    assert outcomes(results) == {BOOKED: 2}


# One key


def test_one_key_sixteen_times_at_once_has_one_effect_and_one_answer(
    race: Race, customer: APIClient, seats: list[Seat]
) -> None:
    key = uuid4().hex
    results = race([lambda: book_seats(customer, *seats[:2], key=key)] * 16)
    assert outcomes(results) == {BOOKED: 16}
    assert len({response.content for response in results}) == 1
    assert sum("Idempotency-Replayed" not in response for response in results) == 1
    assert (Order.objects.count(), Booking.objects.count()) == (1, 2)


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_of_the_user_a_retry_is_refused_its_own_seat(
    race: Race, customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    meet_after(monkeypatch, idempotency, "execute")
    results = race([lambda: book_seats(customer, seats[0], key="k")] * 2)
    assert outcomes(results) == {BOOKED: 1, TAKEN: 1}


def test_one_key_for_two_purchases_at_once_buys_one(
    race: Race, customer: APIClient, seats: list[Seat]
) -> None:
    results = race([lambda seat=seat: book_seats(customer, seat, key="k") for seat in seats[:2]])
    assert outcomes(results) == {BOOKED: 1, (422, "idempotency_key_reused"): 1}
    assert (Order.objects.count(), Booking.objects.count()) == (1, 1)
    assert seats_agree_with_bookings_and_holds()


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_of_the_user_the_constraint_refuses_a_second_purchase(
    race: Race, customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second transaction is rolled back, runs again and finds the record of the first."""
    meet_after(monkeypatch, idempotency, "execute")
    results = race([lambda seat=seat: book_seats(customer, seat, key="k") for seat in seats[:2]])
    assert outcomes(results) == {BOOKED: 1, (422, "idempotency_key_reused"): 1}
    assert (Order.objects.count(), Booking.objects.count()) == (1, 1)


def test_a_token_revoked_meanwhile_gets_no_replay(
    customer: APIClient, user: User, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = idempotency.execute

    def answer_and_revoke(*calls: Any) -> Any:
        monkeypatch.undo()
        assert elsewhere(lambda: book_seats(customer, seats[0], key="k")).status_code == 201
        elsewhere(lambda: User.objects.filter(pk=user.pk).update(token_version=2))
        return execute(*calls)

    monkeypatch.setattr(idempotency, "execute", answer_and_revoke)
    assert refusal(book_seats(customer, seats[0], key="k")) == (401, "token_revoked")


# Several seats


def test_overlapping_orders_in_opposite_order_meet_no_deadlock(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors: list[Exception] = []
    monkeypatch.setattr(
        transactions, "_is_worth_retrying", lambda error: errors.append(error) or True
    )
    orders = [seats[:6], seats[5::-1], seats[2:8], seats[7:1:-1]] * 3
    results = race(
        [
            lambda client=client, chosen=chosen: book_seats(client, *chosen)
            for client, chosen in zip(rivals(12), orders, strict=True)
        ]
    )
    assert outcomes(results) == {BOOKED: 1, TAKEN: 11}
    assert errors == []
    assert seats_agree_with_bookings_and_holds()


def test_seats_locked_in_opposite_order_deadlock_and_are_retried(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control for the test above. It also shows that a deadlock is not a refusal."""
    meeting = Barrier(2, timeout=15)
    order = iter([(0, 1), (1, 0)])
    execute = idempotency.execute

    def lock_one_by_one(*calls: Any) -> Any:
        for position, index in enumerate(next(order, ())):
            seat_locks.lock_seats(show_id=seats[0].show_id, seat_ids=[seats[index].pk])
            if position == 0:
                meeting.wait()
        return execute(*calls)

    codes: list[str | None] = []
    is_worth_retrying = transactions._is_worth_retrying

    def note(error: Any) -> bool:
        codes.append(transactions.sqlstate(error))
        return is_worth_retrying(error)

    monkeypatch.setattr(idempotency, "execute", lock_one_by_one)
    monkeypatch.setattr(transactions, "_is_worth_retrying", note)
    results = race([lambda client=client: book_seats(client, *seats[:2]) for client in rivals(2)])
    assert set(codes) == {transactions.DEADLOCK}
    assert outcomes(results) == {BOOKED: 1, TAKEN: 1}


def test_seats_are_locked_by_id_whatever_the_order_of_the_request(
    customer: APIClient, seats: list[Seat]
) -> None:
    hold_id = held(customer, *seats[:2])["id"]
    calls: list[Callable[[], Any]] = [
        lambda: book(customer, show_id=seats[0].show_id, seat_ids=[seats[7].pk, seats[3].pk]),
        lambda: book(customer, hold_id=hold_id),
        lambda: hold_seats(customer, seats[9], seats[8]),
    ]
    for call in calls:
        with CaptureQueriesContext(connection) as queries:
            assert call().status_code == 201
        locking = [query["sql"] for query in queries if 'UPDATE OF "seats"' in query["sql"]]
        assert len(locking) == 1
        assert locking[0].endswith('ORDER BY "seats"."id" ASC FOR NO KEY UPDATE OF "seats"')


# Holding, booking, releasing, cancelling


def test_either_the_hold_or_the_booking_gets_the_seat(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    clients = rivals(8)
    results = race(
        [lambda client=client: book_seats(client, seats[0]) for client in clients[:4]]
        + [lambda client=client: hold_seats(client, *seats[:2]) for client in clients[4:]]
    )
    assert outcomes(results) == {BOOKED: 1, TAKEN: 7}
    assert seats_agree_with_bookings_and_holds()


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_both_get_the_seat(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meet_after(monkeypatch, seat_locks, "is_free")
    one, other = rivals(2)
    results = race([lambda: book_seats(one, seats[0]), lambda: hold_seats(other, seats[0])])
    assert outcomes(results) == {BOOKED: 2}


def test_a_hold_is_either_released_or_booked(
    race: Race, customer: APIClient, seats: list[Seat]
) -> None:
    for seat in seats[:6]:
        hold_id = held(customer, seat)["id"]
        released, sold = race(
            [
                lambda hold_id=hold_id: customer.delete(f"/api/holds/{hold_id}"),
                lambda hold_id=hold_id: book(customer, hold_id=hold_id),
            ]
        )
        assert (outcome(released), outcome(sold)) in [
            ((204, None), (404, "hold_not_found")),
            ((409, "hold_already_booked"), BOOKED),
        ]
        assert seats_agree_with_bookings_and_holds()


@pytest.mark.usefixtures("without_locks")
def test_without_the_locks_a_released_hold_is_booked(
    customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_id = held(customer, seats[0])["id"]
    execute = idempotency.execute

    def release_meanwhile(*calls: Any) -> Any:
        rows = execute(*calls)
        assert elsewhere(lambda: customer.delete(f"/api/holds/{hold_id}")).status_code == 204
        return rows

    monkeypatch.setattr(idempotency, "execute", release_meanwhile)
    assert book(customer, hold_id=hold_id).status_code == 201


def cancel(client: APIClient, booking_id: int) -> Response:
    return client.post(f"/api/bookings/{booking_id}/cancel", {}, format="json")


def test_cancelling_twice_never_takes_the_seat_from_the_next_buyer(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    owner, *others = rivals(5)
    for seat in seats[:4]:
        number = bought(owner, seat)["booking"]["id"]
        results = race(
            [lambda number=number: cancel(owner, number)] * 3
            + [lambda client=client, seat=seat: book_seats(client, seat) for client in others]
        )
        assert outcomes(results[:3]) == {(200, None): 3}
        assert outcomes(results[3:])[BOOKED] <= 1
        assert seats_agree_with_bookings_and_holds()


@pytest.mark.usefixtures("without_locks")
def test_without_the_locks_the_second_cancelling_takes_it(
    rivals: Callable[[int], list[APIClient]], seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = rivals(2)
    number = bought(owner, seats[0])["booking"]["id"]
    clock = cancelling.ClockTimestamp

    def rebook_meanwhile() -> Any:
        monkeypatch.setattr(cancelling, "ClockTimestamp", clock)
        assert elsewhere(lambda: cancel(owner, number)).status_code == 200
        assert elsewhere(lambda: book_seats(other, seats[0])).status_code == 201
        return clock()

    monkeypatch.setattr(cancelling, "ClockTimestamp", rebook_meanwhile)
    assert cancel(owner, number).status_code == 200
    assert not seats_agree_with_bookings_and_holds()


# One user, two devices


def test_two_devices_hold_no_more_than_one(
    race: Race, customer: APIClient, seats: list[Seat]
) -> None:
    results = race(
        [lambda chosen=chosen: hold_seats(customer, *chosen) for chosen in (seats[:6], seats[6:])]
    )
    assert outcomes(results) == {(201, None): 1, (200, None): 1}
    assert Seat.objects.filter(status=SeatStatus.HELD).count() == 6
    assert seats_agree_with_bookings_and_holds()


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_of_the_user_only_the_constraint_refuses(
    race: Race, customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    meet_after(monkeypatch, holds, "require_free")
    results = race(
        [lambda chosen=chosen: hold_seats(customer, *chosen) for chosen in (seats[:6], seats[6:])]
    )
    errors = [result for result in results if isinstance(result, IntegrityError)]
    assert len(errors) == 1
    assert violated_constraint(errors[0]) == "hold_one_live_per_user_and_show"


# Two buyers, one rule


@pytest.fixture
def row() -> list[Seat]:
    """Six seats of a row, with the gap rule."""
    screen = ScreenFactory(theatre__gap_rule="middle_only")
    end = timezone.now() + timedelta(days=2)
    show = ShowFactory(theatre=screen.theatre, screen=screen, occupied_until=end)
    return make_seats(show, "SSSSSS")


@contextmanager
def locked_by_a_rival(seat: Seat) -> Iterator[None]:
    """Lock the seat until the block ends; others wait for it at most 50 ms."""
    rival = connection.copy()
    try:
        with rival.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT id FROM seats WHERE id = %s FOR UPDATE", [seat.pk])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        yield
    finally:
        rival.close()
        connection.close()


def test_a_purchase_that_is_refused_anyway_locks_no_seat(
    customer: APIClient, seats: list[Seat], settings: Any
) -> None:
    hold_id = held(customer, seats[0])["id"]
    with locked_by_a_rival(seats[0]):
        assert refusal(book_seats(customer, *seats)) == (422, "too_many_seats")
        assert refusal(hold_seats(customer, *seats)) == (422, "too_many_seats")
        settings.EMAIL_CONFIRMATION_REQUIRED = True
        assert refusal(book_seats(customer, seats[0])) == (403, "email_unconfirmed")
        assert refusal(hold_seats(customer, seats[0])) == (403, "email_unconfirmed")
        assert refusal(book(customer, hold_id=hold_id)) == (403, "email_unconfirmed")
        settings.EMAIL_CONFIRMATION_REQUIRED = False
        assert refusal(book_seats(customer, seats[0])) == (503, "busy")  # the control
        assert refusal(book(customer, hold_id=hold_id)) == (503, "busy")
    assert book(customer, hold_id=hold_id).status_code == 201


@pytest.mark.parametrize("taking", [held, bought])
def test_a_purchase_of_a_sold_seat_waits_for_no_lock(
    customer: APIClient, rivals: Callable[[int], list[APIClient]], seats: list[Seat], taking: Any
) -> None:
    """Sold seats are not locked, so the refusal does not wait for them."""
    (rival,) = rivals(1)
    taking(rival, seats[0])
    with locked_by_a_rival(seats[0]):
        expected = TAKEN if taking is bought else (503, "busy")
        assert outcome(book_seats(customer, seats[0])) == expected


def test_shortly_before_a_show_only_the_wanted_seats_are_locked(
    customer: APIClient, row: list[Seat]
) -> None:
    """The gap rule no longer applies then."""
    Show.objects.update(start_time=timezone.now() + timedelta(minutes=20))
    with locked_by_a_rival(row[5]):
        assert book_seats(customer, *row[:2]).status_code == 201


@pytest.mark.parametrize("claim", [hold_seats, book_seats])
def test_two_buyers_make_no_gap_together(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    row: list[Seat],
    claim: Callable[..., Response],
) -> None:
    one, other = rivals(2)
    results = race([lambda: claim(one, row[1]), lambda: claim(other, row[3])])
    assert outcomes(results) == {BOOKED: 1, (422, "single_seat_gap"): 1}


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_of_the_row_two_buyers_make_a_gap(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    row: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meet_after(monkeypatch, holds, "check_choice")
    one, other = rivals(2)
    results = race([lambda: hold_seats(one, row[1]), lambda: hold_seats(other, row[3])])
    assert outcomes(results) == {BOOKED: 2}


def test_a_companion_seat_is_sold_with_its_bay_or_not_at_all(
    race: Race, rivals: Callable[[int], list[APIClient]]
) -> None:
    bay, companion = make_seats(ShowFactory(), "WC")
    one, other, third = rivals(3)
    results = race(
        [
            lambda: book_seats(one, bay, companion),
            lambda: book_seats(other, bay),
            lambda: book_seats(third, companion),
        ]
    )
    assert outcomes(results)[BOOKED] == 1
    owners = dict(Booking.objects.values_list("seat_id", "user_id"))
    assert owners.get(companion.pk) in (None, owners[bay.pk])


@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_a_companion_seat_is_sold_without_its_bay(
    rivals: Callable[[int], list[APIClient]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule still sees the bay, which another customer has bought meanwhile."""
    bay, companion = make_seats(ShowFactory(), "WC")
    one, other = rivals(2)
    hold_id = held(one, bay)["id"]
    check_choice = sales.check_choice

    def lose_the_bay_meanwhile(**arguments: Any) -> None:
        monkeypatch.setattr(sales, "check_choice", check_choice)
        check_choice(**arguments)
        elsewhere(lambda: one.delete(f"/api/holds/{hold_id}"))
        elsewhere(lambda: bought(other, bay))

    monkeypatch.setattr(sales, "check_choice", lose_the_bay_meanwhile)
    assert book_seats(one, companion).status_code == 201
    owners = dict(Booking.objects.values_list("seat_id", "user_id"))
    assert owners[companion.pk] != owners[bay.pk]


# A wait for a seat


def while_the_seat_is_locked(
    race: Race, seat: Seat, call: Callable[[], Response], meanwhile: Callable[[], Any]
) -> Response:
    """Call `meanwhile` while the call waits for the lock of its seat; return the answer."""
    locked = Event()

    def lock_meanwhile() -> None:
        with transaction.atomic():
            Seat.objects.select_for_update().get(pk=seat.pk)
            locked.set()
            wait_for_waiters(1)
            meanwhile()

    def call_then() -> Response:
        assert locked.wait(15)
        return call()

    done, response = race([lock_meanwhile, call_then])
    for value in (done, response):
        if isinstance(value, Exception):
            raise value
    return response


@pytest.mark.parametrize("claim", [hold_seats, book_seats])
def test_a_hold_that_expires_while_a_rival_waits_for_the_seat_does_not_count(
    race: Race, customer: APIClient, seats: list[Seat], claim: Callable[..., Response]
) -> None:
    """The clock is read after the wait; at the start of the rival's transaction it was active."""
    seat = Seat.objects.filter(pk=seats[0].pk)
    response = while_the_seat_is_locked(
        race,
        seats[0],
        lambda: claim(customer, seats[0]),
        lambda: seat.update(status=SeatStatus.HELD, hold_id=uuid4(), held_until=ClockTimestamp()),
    )
    assert outcome(response) == BOOKED


def test_the_sweeper_skips_a_hold_whose_seat_is_being_bought(
    race: Race, customer: APIClient, seats: list[Seat]
) -> None:
    """A purchase by seat ids also locks the hold, before the seats."""
    let_expire(held(customer, seats[0])["id"])
    response = while_the_seat_is_locked(
        race,
        seats[0],
        lambda: book_seats(customer, seats[0]),
        lambda: elsewhere(lambda: services.release_expired_holds(batch=10)) == 0,
    )
    assert outcome(response) == BOOKED
    assert Hold.objects.get().end_reason == "booked"


def test_a_booking_cancelled_meanwhile_by_plain_sql_is_not_cancelled_again(
    race: Race, customer: APIClient, seats: list[Seat]
) -> None:
    """Plain SQL locks no seat. Who cancelled the booking, and why, does not change."""
    number = bought(customer, seats[0])["booking"]["id"]
    locked = Event()

    def cancel_without_the_seat_lock() -> None:
        with transaction.atomic():
            Booking.objects.filter(pk=number).update(
                cancelled_at=ClockTimestamp(), cancel_reason="A leak in the roof"
            )
            locked.set()
            wait_for_waiters(1)

    def cancel_then() -> Response:
        assert locked.wait(15)
        return cancel(customer, number)

    error, response = race([cancel_without_the_seat_lock, cancel_then])
    assert error is None
    assert outcome(response) == (200, None)
    assert Booking.objects.get().cancelled_by is None


def test_seats_of_ending_holds_are_locked_by_id_before_they_are_freed(
    customer: APIClient, seats: list[Seat]
) -> None:
    """An UPDATE alone would lock them in any order, and could cause a deadlock."""
    hold_id = held(customer, seats[7], seats[0])["id"]
    with CaptureQueriesContext(connection) as queries:
        customer.delete(f"/api/holds/{hold_id}")
    (ending,) = [" ".join(query["sql"].split()) for query in queries if "seats" in query["sql"]]
    locking, freeing = ending.split(" ), freed AS (")
    assert locking.endswith("ORDER BY id FOR NO KEY UPDATE")
    assert "UPDATE seats" not in locking
    assert "FROM locked WHERE seats.id = locked.id" in freeing


def extend(client: APIClient, hold_id: str) -> Response:
    return client.post(f"/api/holds/{hold_id}/extend", {}, format="json")


@pytest.mark.parametrize(
    "closing", [{"status": ShowStatus.CANCELLED}, {"sales_close_at": ClockTimestamp()}]
)
def test_a_hold_is_not_extended_if_the_show_closes_while_it_waits(
    race: Race, customer: APIClient, seats: list[Seat], closing: dict[str, Any]
) -> None:
    hold_id = held(customer, seats[0])["id"]
    before = Hold.objects.get().expires_at
    response = while_the_seat_is_locked(
        race,
        seats[0],
        lambda: extend(customer, hold_id),
        lambda: Show.objects.filter(pk=seats[0].show_id).update(**closing),
    )
    assert outcome(response) == (409, "show_closed")
    assert Hold.objects.get().expires_at == before


def test_a_hold_that_expires_while_its_extension_waits_is_not_extended(
    race: Race, customer: APIClient, seats: list[Seat]
) -> None:
    hold_id = held(customer, seats[0])["id"]
    end = timezone.now() + timedelta(seconds=1)
    Hold.objects.filter(pk=hold_id).update(expires_at=end)

    def let_it_run_out_and_be_taken_over() -> None:
        over = Seat.objects.annotate(clock=ClockTimestamp()).filter(clock__gt=end)
        while not over.exists():
            pass
        Seat.objects.filter(pk=seats[0].pk).update(
            hold_id=uuid4(), held_until=end + timedelta(minutes=10)
        )

    response = while_the_seat_is_locked(
        race, seats[0], lambda: extend(customer, hold_id), let_it_run_out_and_be_taken_over
    )
    assert outcome(response) == (409, "hold_expired")
    assert str(Seat.objects.get(pk=seats[0].pk).hold_id) != hold_id


# A show that is being cancelled


def cancel_show(seats: list[Seat], locked: Event, buyers: int) -> None:
    """Cancel like staff: lock all seats, then close the show."""
    with transaction.atomic():
        list(Seat.objects.filter(show=seats[0].show).order_by("pk").select_for_update())
        locked.set()
        wait_for_waiters(buyers)
        Show.objects.filter(pk=seats[0].show_id).update(status=ShowStatus.CANCELLED)


def buy_while_it_is_cancelled(
    race: Race, clients: list[APIClient], seats: list[Seat]
) -> list[Response]:
    hold_id = held(clients[0], seats[0])["id"]
    ways = [
        lambda: book(clients[0], hold_id=hold_id),
        lambda: book_seats(clients[1], seats[1]),
        lambda: hold_seats(clients[2], seats[2]),
        lambda: hold(clients[3], show_id=seats[0].show_id, quantity=2),
    ]
    locked = Event()

    def when_locked(way: Callable[[], Response]) -> Response:
        assert locked.wait(15)
        return way()

    results = race(
        [
            lambda: cancel_show(seats, locked, len(ways)),
            *(lambda way=way: when_locked(way) for way in ways),
        ]
    )
    return results[1:]


def test_no_seat_is_sold_or_held_while_its_show_is_being_cancelled(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    results = buy_while_it_is_cancelled(race, rivals(4), seats)
    assert outcomes(results) == {(409, "show_closed"): 4}
    assert not Booking.objects.exists()
    assert states(*seats[:4]) == ["held", "available", "available", "available"]


def test_without_reading_the_show_again_a_seat_is_sold(
    race: Race,
    rivals: Callable[[int], list[APIClient]],
    seats: list[Seat],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terms = seat_locks.read_terms(seats[0].show_id)
    monkeypatch.setattr(seat_locks, "terms_of", lambda rows: terms)
    monkeypatch.setattr(holds, "terms_of", lambda rows: terms)
    results = buy_while_it_is_cancelled(race, rivals(4), seats)
    assert outcomes(results) == {BOOKED: 4}


# Best available, and the sweeper


def test_best_seats_are_chosen_again_when_a_rival_was_faster(
    rivals: Callable[[int], list[APIClient]], seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = rivals(2)
    choose = seat_choice.best_available
    chosen: list[list[int]] = []

    def let_the_rival_be_faster(*args: Any, **kwargs: Any) -> list[int]:
        best = choose(*args, **kwargs)
        chosen.append(best)
        if len(chosen) < holds.BEST_SEATS_TRIES:
            taken = Seat.objects.filter(pk__in=best)
            elsewhere(lambda: bought(other, *taken))
        return best

    monkeypatch.setattr(seat_choice, "best_available", let_the_rival_be_faster)
    response = hold(one, show_id=seats[0].show_id, quantity=2)
    assert response.status_code == 201
    assert [seat["id"] for seat in response.json()["seats"]] == chosen[-1]
    assert len(chosen) == 3
    assert len({pk for best in chosen for pk in best}) == 6


def test_best_seats_are_chosen_again_when_a_rival_makes_them_leave_a_gap(
    rivals: Callable[[int], list[APIClient]], row: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = rivals(2)
    choose = seat_choice.best_available
    chosen: list[list[int]] = []

    def let_the_rival_sit_down_near(*args: Any, **kwargs: Any) -> list[int]:
        best = choose(*args, **kwargs)
        chosen.append(best)
        if len(chosen) == 1:
            elsewhere(lambda: bought(other, row[0]))
        return best

    monkeypatch.setattr(seat_choice, "best_available", let_the_rival_sit_down_near)
    response = hold(one, show_id=row[0].show_id, quantity=2)
    assert response.status_code == 201
    assert chosen[0] == [row[2].pk, row[3].pk]
    assert [seat["id"] for seat in response.json()["seats"]] == chosen[1]


def test_after_three_tries_the_faster_rival_has_won(
    rivals: Callable[[int], list[APIClient]], seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = rivals(2)
    bought(other, seats[0])
    monkeypatch.setattr(seat_choice, "best_available", lambda *args, **kwargs: [seats[0].pk])
    assert refusal(hold(one, show_id=seats[0].show_id, quantity=1)) == TAKEN


def test_the_sweeper_delays_no_purchase(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    clients = rivals(6)
    for client, seat in zip(clients, seats[:6], strict=True):
        let_expire(held(client, seat)["id"])
    results = race(
        [lambda: services.release_expired_holds(batch=3)] * 3
        + [
            lambda client=client, seat=seat: book_seats(client, seat)
            for client, seat in zip(clients[:3], seats[3:6], strict=True)
        ]
        + [
            lambda client=client, chosen=chosen: hold_seats(client, *chosen)
            for client, chosen in zip(clients[3:], (seats[:2], seats[1:3], seats[6:8]), strict=True)
        ]
    )
    assert outcomes(results[3:6]) == {BOOKED: 3}
    assert outcomes(results[6:])[BOOKED] >= 2
    assert seats_agree_with_bookings_and_holds()
    while services.release_expired_holds(batch=3):
        pass
    assert not Hold.objects.filter(ended_at__isnull=True, expires_at__lt=timezone.now()).exists()
    assert seats_agree_with_bookings_and_holds()


def test_the_sweeper_skips_a_locked_hold(
    race: Race, rivals: Callable[[int], list[APIClient]], seats: list[Seat]
) -> None:
    one, other = rivals(2)
    in_use, idle = held(one, seats[0])["id"], held(other, seats[1])["id"]
    let_expire(in_use), let_expire(idle)
    with transaction.atomic():
        Hold.objects.select_for_update().get(pk=in_use)
        assert elsewhere(lambda: services.release_expired_holds(batch=10)) == 1
    assert Hold.objects.get(pk=in_use).ended_at is None
    assert Hold.objects.get(pk=idle).end_reason == "expired"
