"""A synchronous standby: what was answered 201 survives a failover."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from uuid import uuid4

import pytest

from benchmarks.stampede.servers import AppServer
from tests.faults.conftest import Serve
from tests.faults.customers import Purchase, call, effects, is_replay, refusal
from tests.faults.servers import LONG_TIMEOUTS, ONLY_COMMIT_TIMEOUT, Database, Servers, until
from tests.faults.standby import Standby, synchronous_standby
from tests.web import Answer, RawConnection

NOTHING = (0, 0)
ONCE = (1, 1)
WAITING = "SELECT array_agg(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
QUEUED = "SELECT true FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
both_ends = pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])


@pytest.fixture
def standby(servers: Servers) -> Iterator[Standby]:
    with synchronous_standby(servers) as standby:
        yield standby


def end_wait(database: Database, end: str) -> int:
    """End the wait of the only COMMIT that waits for the standby; return its process id."""
    until(lambda: database.ask(WAITING), what="a COMMIT waits for the standby")
    (pid,) = database.ask(WAITING)
    database.do(f"SELECT {end}(%s)", pid)
    return int(pid)


def promoted(standby: Standby, serve: Serve) -> AbstractContextManager[AppServer]:
    """Fail over, and serve the promoted standby."""
    standby.fail_over()
    return serve(DATABASE_URL=standby.database.url)


def test_a_booking_answered_201_survives_a_failover(servers, standby, serve, new_purchase):
    purchase = new_purchase()
    given = purchase.send(servers.second)
    assert not is_replay(given)
    with promoted(standby, serve) as app:
        assert effects(standby.database, purchase) == ONCE
        again = purchase.send(app)
    assert is_replay(again)
    assert again.body == given.body


def test_a_paused_standby_leaves_the_outcome_unknown_until_it_is_back(
    database, standby, serve, new_purchase
):
    purchase = new_purchase()
    with serve(**ONLY_COMMIT_TIMEOUT) as app:
        standby.pause()
        assert refusal(purchase.send(app)) == (503, "outcome_unknown")
        assert database.ask(WAITING)  # with its locks
        assert effects(database, purchase) == NOTHING
        standby.resume()
        until(lambda: effects(database, purchase) == ONCE, what="the COMMIT has ended")
        assert is_replay(purchase.send(app))
    with promoted(standby, serve):
        assert effects(standby.database, purchase) == ONCE


def register(purchase: Purchase, app: AppServer) -> Answer:
    email = f"{purchase.key}@example.com"
    body = {"name": "Lena", "email": email, "password": "four lions at the gate"}
    return call(app, "POST", "/api/auth/register", body)


def guess_staff_password(purchase: Purchase, app: AppServer) -> Answer:
    """A failed login in the back office, which is recorded."""
    secret = uuid4().hex
    form = f"csrfmiddlewaretoken={secret}&username={purchase.key}&password=x".encode()
    headers = {
        "Cookie": f"csrftoken={secret}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    with closing(RawConnection(app.port)) as raw:
        return raw.call("POST", "/admin/login/", headers=headers, body=form)


def test_no_write_waits_longer_than_the_commit_timeout(database, standby, serve, new_purchase):
    writes = [Purchase.send, Purchase.hold, register, guess_staff_password]
    purchases = [new_purchase() for _ in writes]
    with serve(**ONLY_COMMIT_TIMEOUT) as app:
        standby.pause()
        for write, purchase in zip(writes, purchases, strict=True):
            assert refusal(write(purchase, app)) == (503, "outcome_unknown"), write
        assert len(database.ask(WAITING)) == len(writes)
        standby.resume()


def test_the_lookup_of_an_outcome_has_only_the_time_that_is_left(
    database, standby, serve, new_purchase, in_background
):
    """Here it waits for a lock that was requested while COMMIT waited."""
    purchase = new_purchase()
    timeouts = ONLY_COMMIT_TIMEOUT | {"COMMIT_TIMEOUT_MS": "5000"}
    with (
        serve(**timeouts) as app,
        closing(database.connect()) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        standby.pause()
        answer = in_background(purchase, app)
        until(lambda: database.ask(WAITING), what="COMMIT waits for the standby")
        lock = pool.submit(other.execute, "BEGIN; LOCK TABLE idempotency_records")
        until(lambda: database.ask(QUEUED), what="the lock is requested")
        end_wait(database, "pg_cancel_backend")
        lock.result()
        assert refusal(answer.result()) == (503, "outcome_unknown")


def test_a_booking_without_an_answer_can_be_made_again_after_a_failover(
    standby, serve, new_purchase
):
    purchase = new_purchase()
    with serve(**ONLY_COMMIT_TIMEOUT) as app:
        standby.pause()
        assert refusal(purchase.send(app)) == (503, "outcome_unknown")
    with promoted(standby, serve) as app:
        assert effects(standby.database, purchase) == NOTHING
        assert not is_replay(purchase.send(app))
        assert effects(standby.database, purchase) == ONCE


@both_ends
def test_an_ended_wait_for_the_standby_is_not_a_success(
    end, database, standby, serve, new_purchase, in_background
):
    """The booking is visible, but neither the lookup nor a retry may answer 201 yet."""
    purchase = new_purchase()
    with serve(**ONLY_COMMIT_TIMEOUT) as app:
        standby.pause()
        answer = in_background(purchase, app)
        end_wait(database, end)
        assert refusal(answer.result()) == (503, "outcome_unknown")
        assert effects(database, purchase) == ONCE
        assert refusal(purchase.send(app)) == (503, "outcome_unknown")
    with promoted(standby, serve) as app:
        assert effects(standby.database, purchase) == NOTHING
        assert not is_replay(purchase.send(app))


@both_ends
def test_a_booking_whose_wait_was_ended_is_answered_once_the_standby_has_it(
    end, database, standby, serve, new_purchase, in_background
):
    purchase = new_purchase()
    with serve(**LONG_TIMEOUTS) as app:
        standby.pause()
        answer = in_background(purchase, app)
        ended = end_wait(database, end)
        until(lambda: database.ask(WAITING) not in (None, [ended]), what="the lookup waits as well")
        assert effects(database, purchase) == ONCE
        assert not answer.done()
        standby.resume()
        assert not is_replay(answer.result())
    with promoted(standby, serve):
        assert effects(standby.database, purchase) == ONCE


@both_ends
def test_a_lookup_that_writes_nothing_answers_201_for_a_booking_that_is_lost(
    end, database, standby, serve, new_purchase, in_background
):
    """Guards the test above: if this one fails, that one proves nothing."""
    purchase = new_purchase()
    with serve(wsgi="tests.sabotage.early_settling", **ONLY_COMMIT_TIMEOUT) as app:
        standby.pause()
        answer = in_background(purchase, app)
        end_wait(database, end)
        assert not is_replay(answer.result())
    with promoted(standby, serve):
        assert effects(standby.database, purchase) == NOTHING


def test_a_standby_serves_reads_but_is_not_ready_until_it_is_promoted(servers, standby):
    app = servers.server(DATABASE_URL=standby.database.url)
    app.start()
    try:
        until(lambda: readiness(app) == "read_only", what="the server answers")
        with closing(RawConnection(app.port)) as raw:
            movies = raw.call("GET", "/api/movies", headers={"X-Forwarded-Proto": "https"})
        assert movies.status == 200
        standby.fail_over()
        until(lambda: readiness(app) == "ok", what="the promoted standby is ready")
    finally:
        app.stop()


def readiness(app: AppServer) -> str | None:
    try:
        with closing(RawConnection(app.port)) as raw:
            return json.loads(raw.call("GET", "/readyz").body)["postgresql"]
    except OSError:  # it does not listen yet
        return None
