"""Two real server processes, many customers at once, with and without Redis."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from typing import NamedTuple
from uuid import uuid4

import pytest

from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.environment import RATES
from bookings.models import Booking, IdempotencyRecord, Order
from catalog.models import Seat
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import database_url, web_server

pytestmark = pytest.mark.django_db(transaction=True)

REDIS = os.environ.get("REDIS_URL", "")
NO_REDIS = "redis://127.0.0.1:1/0"
SERVERS_AND_REDIS = {
    "granian": ("granian", REDIS),
    "granian without Redis": ("granian", NO_REDIS),
    "gunicorn": ("gunicorn", REDIS),
}


class Answer(NamedTuple):
    status: int
    replayed: bool
    body: bytes

    @property
    def code(self) -> str | None:
        return json.loads(self.body).get("code")


@pytest.fixture(params=SERVERS_AND_REDIS)
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[int]]:
    by, redis_url = SERVERS_AND_REDIS[request.param]
    own = {"DATABASE_URL": database_url(), "REDIS_URL": redis_url, **dict.fromkeys(RATES, "")}
    with ExitStack() as stack:
        yield [
            stack.enter_context(web_server(tmp_path / name, by=by, **own)).port
            for name in ("one.log", "two.log")
        ]


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


def book(port: int, token: str, key: str, *seats: Seat) -> Answer:
    body = {"show_id": seats[0].show_id, "seat_ids": [seat.pk for seat in seats]}
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    client = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("POST", "/api/bookings", json.dumps(body), headers)
        response = client.getresponse()
        return Answer(
            response.status, response.headers["Idempotency-Replayed"] == "true", response.read()
        )
    finally:
        client.close()


def at_once(calls: list[tuple[int, str, str, list[Seat]]]) -> list[Answer]:
    start_line = Barrier(len(calls), timeout=60)

    def call(port: int, token: str, key: str, seats: list[Seat]) -> Answer:
        start_line.wait()
        return book(port, token, key, *seats)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda arguments: call(*arguments), calls))


def token_of(user: User) -> str:
    return issue_tokens(user).access


def test_forty_calls_of_eight_customers_sell_a_seat_once(
    ports: list[int], seats: list[Seat]
) -> None:
    tokens = [token_of(user) for user in UserFactory.create_batch(8)]
    answers = at_once([(ports[n % 2], tokens[n % 8], uuid4().hex, seats[:1]) for n in range(40)])
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 39}
    assert {answer.code for answer in answers if answer.status == 409} == {"seat_unavailable"}
    assert (Booking.objects.count(), Order.objects.count()) == (1, 1)


def test_one_key_sixteen_times_over_both_servers_is_one_purchase(
    ports: list[int], user: User, seats: list[Seat]
) -> None:
    token = token_of(user)
    answers = at_once([(ports[n % 2], token, "k", seats[:3]) for n in range(16)])
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert (Order.objects.count(), Booking.objects.count()) == (1, 3)
    assert IdempotencyRecord.objects.count() == 1
