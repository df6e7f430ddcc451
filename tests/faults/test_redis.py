"""Faults of Redis, which change no answer."""

import signal
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from redis import Redis

from benchmarks.stampede.servers import AppServer
from booking_site.redis_client import PERIOD_SECONDS
from tests.faults.customers import call, effects, is_replay
from tests.faults.servers import Servers, until
from tests.web import Answer

PURCHASES = 15
OUTAGE = "Redis does not respond"


@pytest.fixture
def log_of(servers: Servers) -> Callable[[AppServer], str]:
    """Return what a server has logged since the test began."""
    begun = {app.number: servers.log_of(app.number).stat().st_size for app in servers.apps}

    def read(app: AppServer) -> str:
        return servers.log_of(app.number).read_bytes()[begun[app.number] :].decode()

    return read


@pytest.fixture
def redis(servers: Servers) -> Iterator[Redis]:
    """A client of Redis, which both servers use before the test."""
    until(lambda: all(knows_redis(app) for app in servers.apps[:2]), what="Redis is asked again")
    with Redis.from_url(servers.redis.url) as client:
        yield client
        servers.restore_redis()


def knows_redis(app: AppServer) -> bool:
    return b'"redis": "ok"' in call(app, "GET", "/readyz").body


def connections_made(redis: Redis) -> int:
    return int(redis.info("stats")["total_connections_received"])


def test_bookings_go_on_when_redis_is_killed(servers, redis, new_purchase, log_of):
    early = new_purchase()
    given = early.send(servers.first)
    servers.kill_redis()

    purchases = [new_purchase() for _ in range(PURCHASES)]
    assert [is_replay(purchase.send(servers.first)) for purchase in purchases] == [
        False
    ] * PURCHASES
    assert is_replay(again := early.send(servers.first))
    assert again.body == given.body
    assert log_of(servers.first).count(OUTAGE) == 1


def test_bookings_go_on_when_redis_is_stopped(servers, redis, new_purchase, log_of):
    early = new_purchase()
    given = early.send(servers.second)
    before = connections_made(redis)
    servers.redis.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()

    purchases = [new_purchase() for _ in range(PURCHASES)]
    assert [is_replay(purchase.send(servers.second)) for purchase in purchases] == [
        False
    ] * PURCHASES
    assert is_replay(again := early.send(servers.second))
    assert again.body == given.body
    assert log_of(servers.second).count(OUTAGE) == 1

    periods = 1 + (time.monotonic() - stopped) / PERIOD_SECONDS
    servers.redis.process.send_signal(signal.SIGCONT)
    # The kernel has queued a connection for each time that a request waited.
    assert connections_made(redis) - before <= periods + 1


def test_a_replay_comes_from_postgresql_when_redis_was_flushed(servers, redis, new_purchase):
    purchase = new_purchase()
    given = purchase.send(servers.first)
    until(lambda: redis.keys(f"*{purchase.key}"), what="Redis has a copy")
    redis.flushall()

    again = purchase.send(servers.second)
    assert is_replay(again)
    assert again.body == given.body
    assert effects(servers.database, purchase) == (1, 1)


def test_bookings_go_on_while_redis_fails_over(servers, redis, new_purchase):
    early = new_purchase()
    given = early.send(servers.first)
    # A replica that cannot reach its primary yet.
    redis.config_set("replica-serve-stale-data", "no")
    redis.replicaof("127.0.0.1", "1")
    try:
        assert not is_replay(new_purchase().send(servers.first))
        again = early.send(servers.first)
    finally:
        redis.replicaof("NO", "ONE")
        redis.config_set("replica-serve-stale-data", "yes")
    assert is_replay(again)
    assert again.body == given.body


def test_guessing_is_stopped_without_redis(servers, redis):
    servers.kill_redis()
    email = f"{uuid4().hex}@example.com"

    def guess() -> Answer:
        return call(
            servers.first, "POST", "/api/auth/login", {"email": email, "password": "not this one"}
        )

    statuses = [guess().status for _ in range(6)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert b"too_many_attempts" in guess().body


def test_redis_is_used_again_once_it_is_back(servers, redis, new_purchase, log_of):
    servers.kill_redis()
    assert not is_replay(new_purchase().send(servers.first))
    servers.restore_redis()
    until(lambda: knows_redis(servers.first), what="Redis is asked again")

    purchase = new_purchase()
    assert not is_replay(purchase.send(servers.first))
    assert redis.keys(f"*{purchase.key}")
    assert log_of(servers.first).count("Redis responds again") == 1
