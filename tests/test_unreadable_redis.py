"""A value in Redis that this site has not written is a miss, on every call."""

from collections.abc import Callable, Iterator
from json import dumps
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
from django_redis import get_redis_connection
from redis import Redis
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.redis_client import breaker
from bookings import replays
from bookings.models import IdempotencyRecord
from bookings.replays import KeyScope
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import book_seats
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.test_foreign_access import CALLS

pytestmark = pytest.mark.django_db

Overwrite = Callable[[Redis, bytes], Any]


def text(value: str | bytes) -> Overwrite:
    return lambda redis, key: redis.set(key, value)


def other_type(redis: Redis, key: bytes) -> None:
    redis.delete(key)
    redis.hset(key, "field", "value")


def truncated(redis: Redis, key: bytes) -> None:
    if redis.type(key) == b"string":
        value = redis.get(key) or b""
        redis.set(key, value[: len(value) // 2])


ANSWER = dumps({"message": "Forged"})
GARBAGE: dict[str, Overwrite] = {
    "a word": text("garbage"),
    "nothing": text(""),
    "no UTF-8": text(b"\xff\xfe"),
    "null": text("null"),
    "a number": text("5"),
    "a long number": text("9" * 5000),
    "an object": text('{"fingerprint": "f", "status": 201, "body": "{}"}'),
    "words": text('["f", "201", 5]'),
    "an answer without a signature": text(dumps(["f" * 64, 201, ANSWER])),
    "an answer with another signature": text(dumps(["f" * 64, 201, ANSWER]) + ":" + "A" * 43),
    "times in the future": text(dumps([1e308] * 1000)),
    "no times": text("[NaN, null, true, [], Infinity]"),
    "a nested list": text("[" * 100_000),
    "a pickle": text(b"\x80\x04]\x94."),
    "a hash": other_type,
    "half of the value": truncated,
}


@pytest.fixture
def redis() -> Redis:
    client: Redis = get_redis_connection("default")
    return client


@pytest.fixture
def person() -> User:
    user: User = UserFactory(email="lena@example.com", password=PASSWORD)
    return user


def call_everything(client: APIClient, before: Callable[[], object]) -> dict[str, int]:
    """Return the status of every call of the API."""
    parts = dict.fromkeys(("id", "movie_id", "theatre_id", "show_id", "reference"), 1)
    statuses = {}
    for each in CALLS:
        before()
        statuses[str(each)] = each.by(client, **parts).status_code
    return statuses


@pytest.mark.parametrize("kind", GARBAGE)
def test_an_unreadable_value_changes_no_answer(
    kind: str, redis: Redis, person: User, login: Callable[[User], APIClient]
) -> None:
    customer = login(person)
    seats = make_seats(ShowFactory(), "SS")
    first = book_seats(customer, seats[0], key="k")
    expected = call_everything(customer, before=lambda: None)

    def overwrite() -> None:
        keys = redis.keys("*")
        assert len(keys) > 6
        for key in keys:
            GARBAGE[kind](redis, key)

    assert call_everything(customer, before=overwrite) == expected
    overwrite()
    again = book_seats(customer, seats[0], key="k")
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotency-Replayed"] == "true"
    overwrite()
    credentials = {"email": person.email, "password": PASSWORD}
    answer = APIClient().post("/api/auth/login", credentials, format="json")
    assert answer.status_code == 200


def test_a_value_of_another_key_is_a_miss(redis: Redis, customer: APIClient, user: User) -> None:
    seats = make_seats(ShowFactory(), "SS")
    for seat, key in zip(seats, "ab", strict=True):
        book_seats(customer, seat, key=key)
    (first,), (second,) = (redis.keys(f"*:{key}") for key in "ab")
    redis.set(second, redis.get(first))
    again = book_seats(customer, seats[1], key="b")
    assert again.json()["booking"]["seat_id"] == seats[1].pk
    IdempotencyRecord.objects.update(body="{}")
    assert book_seats(customer, seats[0], key="a").content != b"{}"  # from the copy


def test_a_copy_with_the_fields_of_another_release_is_a_miss(
    customer: APIClient, user: User
) -> None:
    (seat,) = make_seats(ShowFactory(), "S")
    first = book_seats(customer, seat, key="k")
    scope = KeyScope(user.pk, "book", "k")
    replays.store(scope, ("f", 201), show_id=seat.show_id)  # type: ignore[arg-type]
    assert book_seats(customer, seat, key="k").content == first.content


REPLIES = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an unexpected reply": b"+OK\r\n",
    "an unreadable error": b"-MOVED\r\n",
}


@pytest.fixture
def other_server(request: pytest.FixtureRequest, settings: Any) -> Iterator[None]:
    """Replace Redis with a server that sends one reply to whatever it receives."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65_536):
                self.request.sendall(REPLIES[request.param])

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        location = f"redis://127.0.0.1:{server.server_address[1]}/0"
        settings.CACHES = {
            name: {**config, "LOCATION": location} if "redis" in config["BACKEND"] else config
            for name, config in settings.CACHES.items()
        }
        yield
        server.shutdown()
    breaker.succeeded()


@pytest.mark.parametrize("other_server", REPLIES, indirect=True)
def test_a_server_that_is_not_redis_changes_no_answer(
    other_server: None, customer: APIClient
) -> None:
    seats = make_seats(ShowFactory(), "SS")
    for _ in range(2):
        breaker.succeeded()  # so that the call asks the server
        answer = book_seats(customer, seats[0], key="k")
        assert answer.status_code == 201
    assert answer["Idempotency-Replayed"] == "true"
    person = UserFactory(password=PASSWORD)
    credentials = {"email": person.email, "password": PASSWORD}
    breaker.succeeded()
    assert APIClient().post("/api/auth/login", credentials, format="json").status_code == 200
    breaker.succeeded()
    assert APIClient().get("/readyz").status_code == 200
