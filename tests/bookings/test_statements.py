"""How many SQL statements a call costs: a change of these numbers is a decision.

Counted with BEGIN and COMMIT, as PostgreSQL gets them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from bookings.models import IdempotencyRecord
from catalog.models import Seat
from tests.bookings.calls import (
    book,
    book_seats,
    bought,
    held,
    hold,
    hold_seats,
    let_expire,
    refusal,
)
from tests.factories import ScreenFactory, ShowFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def statements(count: int) -> Iterator[list[str]]:
    """Check the number of statements; the list has their text afterwards."""
    texts: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield texts
    texts += [query["sql"] for query in captured.captured_queries]
    assert len(texts) == count, "\n".join(texts)


def in_transaction(texts: list[str]) -> bool:
    return texts.count("BEGIN") == texts.count("COMMIT") == 1


@pytest.mark.parametrize("seats_bought", [1, 10])
def test_a_booking(customer: APIClient, seats: list[Seat], seats_bought: int) -> None:
    with statements(9) as texts:
        bought(customer, *seats[:seats_bought])
    assert in_transaction(texts)


def test_a_booking_of_own_held_seats(customer: APIClient, seats: list[Seat]) -> None:
    held(customer, *seats[:2])
    with statements(10):
        bought(customer, *seats[:2])


def test_a_booking_of_a_hold(customer: APIClient, seats: list[Seat]) -> None:
    hold_id = held(customer, *seats[:2])["id"]
    with statements(10):
        assert book(customer, hold_id=hold_id).status_code == 201


@pytest.mark.parametrize("left", ["both", "Redis", "PostgreSQL"])
def test_a_replay_is_one_statement(customer: APIClient, seats: list[Seat], left: str) -> None:
    book_seats(customer, seats[0], key="k")
    if left == "Redis":
        IdempotencyRecord.objects.all().delete()
    if left == "PostgreSQL":
        caches["idempotency"].clear()
    with statements(1) as texts:
        assert book_seats(customer, seats[0], key="k")["Idempotency-Replayed"] == "true"
    assert is_plain_read(texts[0])


def is_plain_read(text: str) -> bool:
    return text.strip().startswith("SELECT") and "FOR " not in text.replace("FOR EACH", "")


@pytest.mark.parametrize("asking", [book_seats, hold_seats])
@pytest.mark.parametrize("taking", [held, bought])
def test_a_refusal_of_a_taken_seat_is_one_plain_read(
    customer: APIClient,
    rival: APIClient,
    seats: list[Seat],
    taking: Callable[..., Any],
    asking: Callable[..., Any],
) -> None:
    taking(rival, seats[0])
    with statements(1) as texts:
        assert refusal(asking(customer, *seats[:2])) == (409, "seat_unavailable")
    assert is_plain_read(texts[0])
    assert transaction_id_is_unused(lambda: asking(customer, *seats[:2]))


@pytest.mark.parametrize("taking", [held, bought])
def test_a_refusal_of_an_expired_hold_is_one_plain_read(
    customer: APIClient, rival: APIClient, seats: list[Seat], taking: Callable[..., Any]
) -> None:
    hold_id = held(customer, *seats[:2])["id"]
    let_expire(hold_id)
    taking(rival, seats[1])
    with statements(1) as texts:
        assert refusal(book(customer, hold_id=hold_id)) == (409, "hold_expired")
    assert is_plain_read(texts[0])
    assert transaction_id_is_unused(lambda: book(customer, hold_id=hold_id))


def test_a_refusal_of_a_hold_that_was_booked_is_one_plain_read(
    customer: APIClient, seats: list[Seat]
) -> None:
    hold_id = held(customer, *seats[:2])["id"]
    book(customer, hold_id=hold_id)
    with statements(1) as texts:
        assert refusal(book(customer, hold_id=hold_id)) == (409, "hold_already_booked")
    assert is_plain_read(texts[0])
    assert transaction_id_is_unused(lambda: book(customer, hold_id=hold_id))


def transaction_id_is_unused(action: Callable[[], Any], *, tries: int = 100) -> bool:
    """Tell whether PostgreSQL gave out no transaction number, as it does for locks and writes.

    Others use the server too, so the one time of many that nothing moved is what counts.
    """

    def next_id() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            return int(cursor.fetchone()[0])

    def moves_nothing() -> bool:
        before = next_id()
        action()
        return next_id() == before

    return any(moves_nothing() for _ in range(tries))


def test_the_measure_of_a_refusal_sees_writes(customer: APIClient, seats: list[Seat]) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    rest = iter(seats)
    assert not transaction_id_is_unused(lambda: bought(customer, next(rest)), tries=10)


def test_a_hold(customer: APIClient, seats: list[Seat]) -> None:
    with statements(8) as texts:
        held(customer, *seats[:10])
    assert in_transaction(texts)
    with statements(8):
        held(customer, *seats[2:12])


def test_a_hold_under_the_gap_rule(customer: APIClient) -> None:
    screen = ScreenFactory(theatre__gap_rule="middle_only")
    show = ShowFactory.build(theatre=screen.theatre)
    show = ShowFactory(theatre=screen.theatre, screen=screen, occupied_until=show.end_time)
    seats = make_seats(show, *["S" * 20] * 20)
    with statements(8):
        assert hold_seats(customer, *seats[5:8]).status_code == 201


def test_a_hold_of_the_best_seats(customer: APIClient, seats: list[Seat]) -> None:
    with statements(10):
        assert hold(customer, show_id=seats[0].show_id, quantity=2).status_code == 201


def test_cancelling_costs_no_more_statements_for_more_seats(
    customer: APIClient, seats: list[Seat]
) -> None:
    counts = []
    for count in (1, 10):
        reference = bought(customer, *seats[:count])["order"]["reference"]
        with CaptureQueriesContext(connection) as captured:
            customer.post(f"/api/orders/{reference}/cancel", {}, format="json")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_a_seat_map_is_one_statement(
    api: APIClient, customer: APIClient, seats: list[Seat]
) -> None:
    bought(customer, *seats[:3])
    address = f"/api/shows/{seats[0].show_id}/seats"
    with statements(3):  # the room is drawn for the first time
        api.get(address)
    for client in (api, customer):
        with statements(1):
            assert len(client.get(address).json()) == 12
