"""The limit on the seats that a user holds across all shows, however many requests they send."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from bookings.services import holds
from catalog.models import Seat, SeatStatus
from tests.bookings.calls import book_seats, bought, held, hold, hold_seats, let_expire, refusal
from tests.bookings.test_races import meet_after
from tests.factories import ShowFactory, UserFactory, make_seats

TOO_MANY = (422, "too_many_seats_held")


@pytest.fixture
def shows() -> list[list[Seat]]:
    return [make_seats(ShowFactory(), "SSSSSS") for _ in range(3)]


@pytest.fixture(autouse=True)
def six_at_most(settings: Any) -> None:
    settings.MAX_HELD_SEATS_PER_USER = 6


@pytest.mark.django_db
def test_seats_are_counted_over_all_shows(customer: APIClient, shows: list[list[Seat]]) -> None:
    held(customer, *shows[0][:4])
    refused = hold_seats(customer, *shows[1][:3])
    assert refusal(refused) == TOO_MANY
    assert refused.json()["limit"] == 6
    assert hold(customer, show_id=shows[1][0].show_id, quantity=3).status_code == 422
    held(customer, *shows[1][:2])
    assert refusal(hold_seats(customer, shows[2][0])) == TOO_MANY


@pytest.mark.django_db
def test_a_replaced_hold_counts_once(customer: APIClient, shows: list[list[Seat]]) -> None:
    held(customer, *shows[0][:4])
    held(customer, *shows[0])
    assert refusal(hold_seats(customer, shows[1][0])) == TOO_MANY


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["released", "expired", "booked"])
def test_ended_holds_do_not_count(customer: APIClient, shows: list[list[Seat]], how: str) -> None:
    hold = held(customer, *shows[0][:4])
    if how == "released":
        customer.delete(f"/api/holds/{hold['id']}", {}, format="json")
    elif how == "expired":
        let_expire(hold["id"], ago=timedelta(minutes=1))
    else:
        bought(customer, *shows[0][:4])
    held(customer, *shows[1][:6])


@pytest.mark.django_db
def test_the_limit_affects_neither_purchases_nor_other_users(
    customer: APIClient, shows: list[list[Seat]], login: Callable[[User], APIClient]
) -> None:
    held(customer, *shows[0])
    bought(customer, *shows[1])
    held(login(UserFactory()), *shows[2])


@pytest.mark.django_db(transaction=True)
def test_two_devices_of_a_user_share_the_limit(
    race: Any, customer: APIClient, shows: list[list[Seat]], monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Barrier(2, timeout=0.5)
    execute = holds.execute

    def count_and_look_around(*calls: Any) -> Any:
        counted = execute(*calls)
        with suppress(BrokenBarrierError):  # expected: the other request waits
            meeting.wait()
        return counted

    monkeypatch.setattr(holds, "execute", count_and_look_around)
    results = race([lambda seats=seats: hold_seats(customer, *seats[:4]) for seats in shows])
    assert sorted(result.status_code for result in results) == [201, 422, 422]
    assert Seat.objects.filter(status=SeatStatus.HELD).count() == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("without_locks")
def test_without_the_lock_of_the_user_they_exceed_the_limit(
    race: Any, customer: APIClient, shows: list[list[Seat]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    meet_after(monkeypatch, holds, "execute")
    results = race([lambda seats=seats: hold_seats(customer, *seats[:4]) for seats in shows[:2]])
    assert [result.status_code for result in results] == [201, 201]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "ask"),
    [
        ("hold", lambda client, seats: hold_seats(client, seats[0])),
        ("booking", lambda client, seats: book_seats(client, *seats[:1], key="k")),
    ],
)
def test_calls_are_limited_per_user_and_per_address(
    scope: str,
    ask: Callable[[APIClient, list[Seat]], Any],
    shows: list[list[Seat]],
    settings: Any,
    login: Callable[[User], APIClient],
) -> None:
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": rates | {scope: "3/hour", f"{scope}_address": "5/hour"}
    }
    first, second = login(UserFactory()), login(UserFactory())
    assert [ask(first, shows[0]).status_code < 300 for _ in range(3)] == [True, True, True]
    limited = ask(first, shows[0])
    assert refusal(limited) == (429, "throttled")
    assert int(limited["Retry-After"]) > 0
    # Refused calls count for the address as well.
    assert ask(second, shows[1]).status_code == 201
    assert refusal(ask(second, shows[1])) == (429, "throttled")
    second.defaults["REMOTE_ADDR"] = "10.9.9.9"
    assert ask(second, shows[1]).status_code < 300
