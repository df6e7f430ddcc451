"""Whatever state Redis is in, every answer is the usual one. Stopped: see tests/faults."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django_redis import get_redis_connection
from django_redis.cache import RedisCache
from prometheus_client import REGISTRY
from redis import Redis
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError
from rest_framework.test import APIClient

from accounts.models import User
from benchmarks.servers import wait_until
from booking_site import redis_client
from booking_site.caches import redis_cache
from booking_site.embedded.directories import DataDirectory, temporary_directory
from booking_site.embedded.processes import Child, Server, start_on_free_port
from booking_site.embedded.redis import redis_program, start_redis
from booking_site.observability import metrics
from booking_site.redis_client import Breaker
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import book_seats
from tests.factories import ShowFactory, UserFactory, make_seats

REFUSAL = {
    "full": ("CONFIG", "SET", "maxmemory", "1"),
    "read-only": ("REPLICAOF", "127.0.0.1", "1"),
    "without replicas": ("CONFIG", "SET", "min-replicas-to-write", "1"),
}
REPAIR = {
    "full": ("CONFIG", "SET", "maxmemory", "0"),
    "read-only": ("REPLICAOF", "NO", "ONE"),
    "without replicas": ("CONFIG", "SET", "min-replicas-to-write", "0"),
}
# The methods that Django's caches do not have.
OWN_METHODS = {name for name in vars(RedisCache).keys() - vars(BaseCache).keys() if name[0] != "_"}
UNSUPPORTED = sorted(OWN_METHODS - {"client", "keys", "delete_pattern"} | {"touch"})

UseRedis = Callable[[str], None]


@pytest.fixture
def use_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> UseRedis:
    """Let the caches use the server at an address; a breaker of their own is closed."""

    def use(url: str) -> None:
        breaker = Breaker()
        monkeypatch.setattr(redis_client, "breaker", breaker)
        monkeypatch.setattr(metrics, "breaker", breaker)
        settings.CACHES = {
            name: redis_cache(url, prefix=name) if "KEY_PREFIX" in config else config
            for name, config in settings.CACHES.items()
        }

    return use


@pytest.fixture
def directory() -> Iterator[DataDirectory]:
    with temporary_directory() as directory:
        yield directory


@pytest.fixture
def redis(directory: DataDirectory) -> Iterator[Server]:
    server = start_redis(directory)
    yield server
    server.stop()


@pytest.fixture
def sentinel_command(directory: DataDirectory) -> Sequence[str | Path]:
    """The program of Sentinel, and its options."""
    return [redis_program(directory), "--sentinel"]


@pytest.fixture
def sentinel(
    directory: DataDirectory, redis: Server, sentinel_command: Sequence[str | Path]
) -> Iterator[int]:
    """A Sentinel that watches the server as the service `cinema`; yield its port."""
    address = urlsplit(redis.url)
    folder = directory.path / "sentinel"
    folder.mkdir()
    log = directory.path / "sentinel.log"
    log.touch()

    def launch(port: int) -> Child:
        configuration = folder / "sentinel.conf"  # which Sentinel writes to
        configuration.write_text(
            f"bind 127.0.0.1\nport {port}\ndir {folder}\n"
            f"sentinel monitor cinema 127.0.0.1 {address.port} 1\n"
            f"sentinel auth-pass cinema {address.password}\n"
            "sentinel down-after-milliseconds cinema 100\n"
        )
        directory.give(folder)
        program, *options = sentinel_command
        return directory.spawn([program, configuration, *options], death_signal=9, log=log)

    def is_ready(port: int) -> bool:
        return bool(state_of_cinema(port))

    with ExitStack() as stack:
        process, port = start_on_free_port(
            name="Sentinel", launch=launch, is_ready=is_ready, log=log
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield port


def state_of_cinema(sentinel: int) -> dict[str, Any]:
    with Redis.from_url(f"redis://127.0.0.1:{sentinel}") as client:
        try:
            found: dict[str, Any] = client.sentinel_masters()["cinema"]
        except (RedisError, KeyError):
            return {}
    return found


def require_usual_answers(customer: APIClient, *, cached: bool) -> None:
    person: User = UserFactory(password=PASSWORD)
    seats = make_seats(ShowFactory(), "SS")
    first, again = (book_seats(customer, seats[0], key=f"k{person.pk}") for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert again["Idempotency-Replayed"] == "true"
    assert '"booking";' in again["RateLimit"]
    credentials = {"email": person.email, "password": PASSWORD}
    assert APIClient().post("/api/auth/login", credentials, format="json").status_code == 200
    assert bool(caches["default"].keys("*")) is bool(caches["idempotency"].keys("*")) is cached


@pytest.mark.django_db
@pytest.mark.parametrize("state", REFUSAL)
def test_redis_that_refuses_writes_changes_no_answer(
    state: str, redis: Server, use_redis: UseRedis, customer: APIClient
) -> None:
    use_redis(redis.url)
    get_redis_connection("default").execute_command(*REFUSAL[state])
    require_usual_answers(customer, cached=False)


@pytest.mark.django_db
@pytest.mark.parametrize("state", REFUSAL)
def test_redis_that_refuses_writes_counts_as_away(
    state: str,
    redis: Server,
    use_redis: UseRedis,
    customer: APIClient,
    api: APIClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_client, "PERIOD_SECONDS", 0.0)  # Redis is tried by every call
    use_redis(redis.url)
    with Redis.from_url(redis.url) as server:
        server.execute_command(*REFUSAL[state])
        for seat in make_seats(ShowFactory(), "SS"):
            assert book_seats(customer, seat, key=f"k{seat.pk}").status_code == 201
            assert caches["default"].get("k") is None
            assert api.get("/readyz").json()["redis"] == "unreachable"
            assert REGISTRY.get_sample_value("booking_redis_avoided") == 1
        assert caplog.text.count("continuing without it") == 1
        server.execute_command(*REPAIR[state])
        assert api.get("/readyz").json()["redis"] == "ok"
        api.get("/api/movies")
        assert REGISTRY.get_sample_value("booking_redis_avoided") == 0
        assert caplog.text.count("Redis responds again") == 1


@pytest.mark.django_db
def test_a_full_redis_is_noticed_by_the_first_check(
    redis: Server, use_redis: UseRedis, api: APIClient
) -> None:
    use_redis(redis.url)
    get_redis_connection("default").execute_command(*REFUSAL["full"])
    assert api.get("/readyz").json()["redis"] == "unreachable"


@pytest.mark.django_db
def test_a_value_of_another_type_is_not_an_outage(redis: Server, use_redis: UseRedis) -> None:
    use_redis(redis.url)
    with Redis.from_url(redis.url) as server:
        server.lpush(caches["default"].make_key("k"), "x")
    caches["default"].get("k")
    assert not redis_client.breaker.is_open


@pytest.mark.django_db
def test_a_master_is_found_through_sentinel_and_its_loss_changes_no_answer(
    redis: Server, sentinel: int, use_redis: UseRedis, customer: APIClient
) -> None:
    password = urlsplit(redis.url).password
    use_redis(f"redis+sentinel://:{password}@127.0.0.1:{sentinel}/cinema/0")
    require_usual_answers(customer, cached=True)
    redis.process.kill()
    wait_until(lambda: "s_down" in state_of_cinema(sentinel).get("flags", ""), what="Its loss")
    get_redis_connection("default").connection_pool.disconnect()
    with pytest.raises(MasterNotFoundError):
        get_redis_connection("default").ping()
    require_usual_answers(customer, cached=False)


@pytest.mark.parametrize("path", ["redis://{}/0", "redis+sentinel://{}/silent/0"])
def test_a_server_that_does_not_answer_is_asked_once(path: str, use_redis: UseRedis) -> None:
    """By default, redis-py asks Sentinel eleven times."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        use_redis(path.format(f"127.0.0.1:{silent.getsockname()[1]}"))
        assert caches["default"].get("k") is None
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


@pytest.mark.parametrize("method", UNSUPPORTED)
def test_a_method_that_would_raise_without_redis_always_raises(method: str) -> None:
    """So its first use in a test shows that it cannot be used."""
    with pytest.raises(NotImplementedError):
        getattr(caches["default"], method)("k")
