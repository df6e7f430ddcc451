"""How many SQL statements a call costs: a change of these numbers is a decision.

Counted with BEGIN and COMMIT, as PostgreSQL gets them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from booking_site.postgres.pipeline import _Session
from bookings.services import refusals
from catalog.models import Seat
from tests.bookings.calls import (
    book,
    book_seats,
    bought,
    held,
    hold,
    hold_seats,
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


@contextmanager
def waits(count: int) -> Iterator[None]:
    """Check how often the app waits for PostgreSQL."""
    waited: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Session, "send", counted(_Session.send, waited))
        patch.setattr(CursorWrapper, "_execute", counted(CursorWrapper._execute, waited))
        yield
    assert len(waited) == count


def counted(function: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        calls.append(1)
        return function(*args)

    return call


@pytest.mark.parametrize("seats_bought", [1, 10])
def test_a_booking(customer: APIClient, seats: list[Seat], seats_bought: int) -> None:
    with statements(9) as texts, waits(2):
        bought(customer, *seats[:seats_bought])
    assert in_transaction(texts)


def test_a_booking_of_own_held_seats(customer: APIClient, seats: list[Seat]) -> None:
    held(customer, *seats[:2])
    with statements(10), waits(2):
        bought(customer, *seats[:2])


def test_a_booking_of_a_hold(customer: APIClient, seats: list[Seat]) -> None:
    hold_id = held(customer, *seats[:2])["id"]
    with statements(10), waits(2):
        assert book(customer, hold_id=hold_id).status_code == 201


def test_a_replay_from_redis_is_one_plain_read(customer: APIClient, seats: list[Seat]) -> None:
    book_seats(customer, seats[0], key="k")
    with statements(1) as texts:
        assert book_seats(customer, seats[0], key="k")["Idempotency-Replayed"] == "true"
    assert texts[0].strip().startswith("SELECT")
    assert "FOR " not in texts[0]


def test_a_replay_from_postgresql_commits_the_lock_of_the_user(
    customer: APIClient, seats: list[Seat]
) -> None:
    """The COMMIT waits for the standby; otherwise the record could still be lost."""
    book_seats(customer, seats[0], key="k")
    caches["idempotency"].clear()
    with statements(7) as texts, waits(2):
        assert book_seats(customer, seats[0], key="k")["Idempotency-Replayed"] == "true"
    assert in_transaction(texts)


@pytest.mark.parametrize("claim", [book_seats, hold_seats])
@pytest.mark.parametrize(("taking", "round_trips"), [(held, 1), (bought, 2)])
def test_a_refusal_of_a_taken_seat_writes_nothing(
    customer: APIClient,
    rival: APIClient,
    seats: list[Seat],
    taking: Callable[..., Any],
    round_trips: int,
    claim: Callable[..., Any],
) -> None:
    """Which seats are sold is read after the rollback."""
    taking(rival, seats[0])
    with CaptureQueriesContext(connection) as queries, waits(round_trips):
        assert refusal(claim(customer, *seats[:2])) == (409, "seat_unavailable")
    texts = [query["sql"] for query in queries]
    assert texts.index("ROLLBACK") == len(texts) - round_trips
    assert not any("INSERT" in text or "UPDATE seats" in text for text in texts)


def test_in_a_rush_a_refusal_takes_no_lock(
    customer: APIClient, rival: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "RUSH_SECONDS", 60.0)  # however slow the machine
    bought(rival, seats[0])
    refusal(book_seats(customer, *seats[:2]))
    with CaptureQueriesContext(connection) as queries, waits(1):
        assert refusal(book_seats(customer, *seats[:2])) == (409, "seat_unavailable")
    texts = [query["sql"] for query in queries]
    assert "BEGIN" not in texts
    assert not any("FOR NO KEY UPDATE" in text for text in texts)


def test_a_hold(customer: APIClient, seats: list[Seat]) -> None:
    with statements(8) as texts, waits(2):
        held(customer, *seats[:10])
    assert in_transaction(texts)
    with statements(8), waits(2):
        held(customer, *seats[2:12])


def test_a_hold_under_the_gap_rule(customer: APIClient) -> None:
    screen = ScreenFactory(theatre__gap_rule="middle_only")
    show = ShowFactory.build(theatre=screen.theatre)
    show = ShowFactory(theatre=screen.theatre, screen=screen, occupied_until=show.end_time)
    seats = make_seats(show, *["S" * 20] * 20)
    with statements(8):
        assert hold_seats(customer, *seats[5:8]).status_code == 201


def test_a_hold_of_the_best_seats(customer: APIClient, seats: list[Seat]) -> None:
    with statements(12):
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
