"""Redis makes things fast, never right: without it everything is sold and refused as before."""

import signal
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from redis import Redis

from benchmarks.stampede.servers import AppServer
from booking_site.redis_client import PERIOD_SECONDS
from tests.faults.customers import call, effects, is_replay
from tests.faults.stage import Stage, until
from tests.web import Answer

PURCHASES = 15
OUTAGE = "Redis does not respond"


@pytest.fixture
def log_of(stage: Stage) -> Callable[[AppServer], str]:
    """Return what a server has logged since the test began."""
    begun = {app.number: stage.log_of(app.number).stat().st_size for app in stage.apps}

    def read(app: AppServer) -> str:
        return stage.log_of(app.number).read_bytes()[begun[app.number] :].decode()

    return read


@pytest.fixture
def redis(stage: Stage) -> Iterator[Redis]:
    """Redis, answering before the test and after, and known by both servers to do so."""
    until(lambda: all(knows_redis(app) for app in stage.apps[:2]), what="Redis is asked again")
    with Redis.from_url(stage.redis.url) as client:
        yield client
        stage.mend_redis()


def knows_redis(app: AppServer) -> bool:
    return b'"redis": "ok"' in call(app, "GET", "/readyz").body


def connections_made(redis: Redis) -> int:
    return int(redis.info("stats")["total_connections_received"])


def test_bookings_go_on_when_redis_is_killed(stage, redis, purchase, log_of):
    early = purchase()
    given = early.send(stage.first)
    stage.kill_redis()

    wishes = [purchase() for _ in range(PURCHASES)]
    assert [is_replay(wish.send(stage.first)) for wish in wishes] == [False] * PURCHASES
    assert is_replay(again := early.send(stage.first))
    assert again.body == given.body
    assert log_of(stage.first).count(OUTAGE) == 1


def test_bookings_go_on_when_redis_is_stopped(stage, redis, purchase, log_of):
    early = purchase()
    given = early.send(stage.second)
    before = connections_made(redis)
    stage.redis.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()

    wishes = [purchase() for _ in range(PURCHASES)]
    assert [is_replay(wish.send(stage.second)) for wish in wishes] == [False] * PURCHASES
    assert is_replay(again := early.send(stage.second))
    assert again.body == given.body
    assert log_of(stage.second).count(OUTAGE) == 1

    periods = 1 + (time.monotonic() - stopped) / PERIOD_SECONDS
    stage.redis.process.send_signal(signal.SIGCONT)
    # The kernel has queued a connection for each time that a request waited.
    assert connections_made(redis) - before <= periods + 1


def test_a_replay_comes_from_postgresql_when_redis_was_flushed(stage, redis, purchase):
    wish = purchase()
    given = wish.send(stage.first)
    until(lambda: redis.keys(f"*{wish.key}"), what="Redis has a copy")
    redis.flushall()

    again = wish.send(stage.second)
    assert is_replay(again)
    assert again.body == given.body
    assert effects(stage.database, wish) == (1, 1)


def test_bookings_go_on_while_redis_fails_over(stage, redis, purchase):
    early = purchase()
    given = early.send(stage.first)
    # A server that was told to follow another one, which it cannot reach yet.
    redis.config_set("replica-serve-stale-data", "no")
    redis.replicaof("127.0.0.1", "1")
    try:
        assert not is_replay(purchase().send(stage.first))
        again = early.send(stage.first)
    finally:
        redis.replicaof("NO", "ONE")
        redis.config_set("replica-serve-stale-data", "yes")
    assert is_replay(again)
    assert again.body == given.body


def test_guessing_is_stopped_without_redis(stage, redis):
    stage.kill_redis()
    email = f"{uuid4().hex}@example.com"

    def guess() -> Answer:
        return call(
            stage.first, "POST", "/api/auth/login", {"email": email, "password": "not this one"}
        )

    statuses = [guess().status for _ in range(6)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert b"too_many_attempts" in guess().body


def test_redis_is_used_again_once_it_is_back(stage, redis, purchase, log_of):
    stage.kill_redis()
    assert not is_replay(purchase().send(stage.first))
    stage.mend_redis()
    until(lambda: knows_redis(stage.first), what="Redis is asked again")

    wish = purchase()
    assert not is_replay(wish.send(stage.first))
    assert redis.keys(f"*{wish.key}")
    assert log_of(stage.first).count("Redis responds again") == 1
