"""Two real server processes, many customers at once, with and without Redis."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from typing import NamedTuple
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import User
from accounts.tokens import issue_tokens
from bookings.models import Booking, IdempotencyRecord, Order
from catalog.models import Seat
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import database_url, granian

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
REDIS = {"Redis runs": os.environ.get("REDIS_URL", ""), "Redis is away": "redis://127.0.0.1:1/0"}


class Answer(NamedTuple):
    status: int
    replayed: bool
    body: bytes

    @property
    def code(self) -> str | None:
        return json.loads(self.body).get("code")


@contextmanager
def server(log: Path, redis_url: str) -> Iterator[int]:
    """Serve as in production, and yield the port; calls wait until a worker is there."""
    address = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}"
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": address.format(**connection.settings_dict),
                "REDIS_URL": redis_url,
                "BIND": f"fd://{listener.fileno()}",
                "WEB_CONCURRENCY": "1",
                "THROTTLE_BOOKING": "",
            },
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=output,
        )
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait()  # the test database is dropped next


@pytest.fixture(params=[*REDIS, "granian"])
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[int]]:
    logs = [tmp_path / f"{name}.log" for name in ("one", "two")]
    with ExitStack() as stack:
        if request.param == "granian":
            own = {"DATABASE_URL": database_url(), "THROTTLE_BOOKING": ""}
            yield [stack.enter_context(granian(log, **own)) for log in logs]
        else:
            yield [stack.enter_context(server(log, REDIS[request.param])) for log in logs]


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


def book(port: int, token: str, key: str, *seats: Seat) -> Answer:
    wish = {"show_id": seats[0].show_id, "seat_ids": [seat.pk for seat in seats]}
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    client = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("POST", "/api/bookings", json.dumps(wish), headers)
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
