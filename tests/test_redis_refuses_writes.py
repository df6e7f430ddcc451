"""While Redis refuses writes, every answer is the usual one."""

from collections.abc import Iterator
from typing import Any

import pytest
from django_redis import get_redis_connection
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.embedded.directories import temporary_directory
from booking_site.embedded.redis import start_redis
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import book_seats
from tests.factories import ShowFactory, UserFactory, make_seats

REFUSAL = {
    "full": ("CONFIG", "SET", "maxmemory", "1"),
    "read-only": ("REPLICAOF", "127.0.0.1", "1"),
}


@pytest.fixture
def own_redis(settings: Any) -> Iterator[None]:
    """Give the test a Redis server of its own."""
    with temporary_directory() as directory:
        server = start_redis(directory)
        settings.CACHES = {
            name: {**config, "LOCATION": server.url} if "redis" in config["BACKEND"] else config
            for name, config in settings.CACHES.items()
        }
        yield
        server.stop()


@pytest.mark.django_db
@pytest.mark.parametrize("state", REFUSAL)
def test_answers_do_not_change(own_redis: None, state: str, customer: APIClient) -> None:
    person: User = UserFactory(password=PASSWORD)
    seats = make_seats(ShowFactory(), "SS")
    get_redis_connection("default").execute_command(*REFUSAL[state])
    first, again = (book_seats(customer, seats[0], key="k") for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert again["Idempotency-Replayed"] == "true"
    assert not get_redis_connection("default").keys("*")
    credentials = {"email": person.email, "password": PASSWORD}
    assert APIClient().post("/api/auth/login", credentials, format="json").status_code == 200
