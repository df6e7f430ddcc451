"""What PostgreSQL may do to a booking, and that it is answered and never half done."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from uuid import UUID

import pytest
from django.db import connection

from benchmarks.stampede.servers import AppServer
from bookings.transactions import DEADLOCK, SERIALIZATION_FAILURE
from tests.faults.customers import Purchase, effects, is_replay, new_customer, new_show, refusal
from tests.faults.stage import PATIENT, Database, Stage, lock_rows, until
from tests.web import Answer

NOTHING = (0, 0)
ONCE = (1, 1)

# Ends every connection but the one that asks, as a failover or an operator does.
TERMINATE_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@contextmanager
def trigger_on_bookings(database: Database, body: str) -> Iterator[None]:
    """Run PL/pgSQL before every row that is inserted into bookings."""
    database.do(
        f"""
        CREATE SEQUENCE attempts;
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN {body} RETURN NEW; END $$;
        CREATE TRIGGER meddle BEFORE INSERT ON bookings
            FOR EACH ROW EXECUTE FUNCTION meddle();
        """
    )
    try:
        yield
    finally:
        database.do("DROP FUNCTION meddle CASCADE; DROP SEQUENCE attempts")


def fails_first(times: int, sqlstate: str) -> str:
    return f"IF nextval('attempts') <= {times} THEN RAISE SQLSTATE '{sqlstate}'; END IF;"


def test_pools_recover_when_postgresql_restarts_under_load(stage, database):
    restarted = Event()
    sold: list[Purchase] = []

    def buy(app: AppServer, wishes: list[Purchase]) -> list[Answer]:
        """Buy seat after seat until one was sold after the restart; return the refusals."""
        refused = []
        for wish in wishes:
            last = restarted.is_set()
            while (answer := wish.send(app)).status != 201:
                refused.append(answer)
            sold.append(wish)
            if last:
                break
        return refused

    with ThreadPoolExecutor(2) as pool:
        buyers = [pool.submit(buy, app, seat_by_seat(database)) for app in stage.apps[:2]]
        until(lambda: len(sold) > 4, what="some seats are sold")
        stage.restart_postgres()
        restarted.set()
        refused = [answer for buyer in buyers for answer in buyer.result()]

    assert {refusal(answer) for answer in refused} <= {(503, "busy"), (503, "outcome_unknown")}
    assert {effects(database, wish) for wish in sold} == {ONCE}


def seat_by_seat(database: Database) -> list[Purchase]:
    customer = new_customer(database)
    show_id, seat_ids = new_show(database, seats=400)
    return [Purchase(customer, show_id, [seat_id]) for seat_id in seat_ids]


def test_a_database_that_accepts_no_connections_is_busy_until_it_does(stage, database, purchase):
    wish = purchase()
    with database.connect(dbname="postgres") as next_door:
        next_door.execute("ALTER DATABASE booking_site ALLOW_CONNECTIONS false")
        next_door.execute(TERMINATE_OTHERS)
        answers = [wish.send(stage.second) for _ in range(2)]
        next_door.execute("ALTER DATABASE booking_site ALLOW_CONNECTIONS true")
    assert [refusal(answer) for answer in answers] == [(503, "busy")] * 2
    assert effects(database, wish) == NOTHING
    assert not is_replay(wish.send(stage.second))


def test_terminated_connections_in_the_pool_have_no_effect(stage, database, purchase):
    assert not is_replay(purchase().send(stage.second))
    database.do(TERMINATE_OTHERS)
    assert not is_replay(purchase().send(stage.second))


def test_a_booking_whose_connection_is_terminated_is_rolled_back(stage, database, purchase, aside):
    wish = purchase()
    with database.locked("seats", *wish.seat_ids) as holder:
        answer = aside(wish, stage.second)
        until(database.waiting, what="the booking waits for its seat")
        holder.execute(TERMINATE_OTHERS)
        assert refusal(answer.result()) == (503, "busy")
    assert effects(database, wish) == NOTHING
    assert not is_replay(wish.send(stage.second))


def test_a_deadlock_restarts_the_whole_booking(stage, database, purchase, aside):
    wish = purchase()
    hold_id = UUID(json.loads(wish.hold(stage.second).body)["id"])
    deadlocks = stage.postgres_log.read_text().count("deadlock detected")
    with ThreadPoolExecutor(1) as pool, database.locked("seats", *wish.seat_ids) as rival:
        with database.locked("holds", hold_id):
            answer = aside(wish, stage.second)
            until(database.waiting, what="the booking has its user and waits for the hold")
            crossing = pool.submit(lock_rows, rival, "users", wish.customer.id)
            until(lambda: database.waiting() == 2, what="the rival waits for the user")
        crossing.result()
    assert not is_replay(answer.result())
    assert stage.postgres_log.read_text().count("deadlock detected") == deadlocks + 1
    assert effects(database, wish) == ONCE


@pytest.mark.parametrize("sqlstate", [DEADLOCK, SERIALIZATION_FAILURE])
def test_a_transient_error_is_retried_three_times(sqlstate, stage, database, purchase):
    wish = purchase(seats=2)
    with trigger_on_bookings(database, fails_first(3, sqlstate)):
        assert not is_replay(wish.send(stage.second))
    assert effects(database, wish) == (2, 1)


@pytest.mark.parametrize("sqlstate", [DEADLOCK, SERIALIZATION_FAILURE])
def test_a_transient_error_after_three_retries_is_busy(sqlstate, stage, database, purchase):
    wish = purchase()
    with trigger_on_bookings(database, fails_first(1000, sqlstate)):
        assert refusal(wish.send(stage.second)) == (503, "busy")
        assert database.ask("SELECT last_value FROM attempts") == 4
    assert effects(database, wish) == NOTHING
    assert not is_replay(wish.send(stage.second))


def cancelled_statements(stage: Stage, *, because_of: str) -> int:
    """Return how often PostgreSQL has logged that it ended a statement for this reason."""
    return stage.postgres_log.read_text().count(f"canceling statement due to {because_of}")


def test_a_seat_locked_too_long_is_busy(stage, database, purchase):
    wish = purchase()
    before = cancelled_statements(stage, because_of="lock timeout")
    with database.locked("seats", *wish.seat_ids):
        assert refusal(wish.send(stage.second)) == (503, "busy")
    assert cancelled_statements(stage, because_of="lock timeout") == before + 1
    assert effects(database, wish) == NOTHING
    assert not is_replay(wish.send(stage.second))


def test_a_user_locked_too_long_is_a_key_in_progress(stage, database, purchase):
    wish = purchase()
    with database.locked("users", wish.customer.id):
        assert refusal(wish.send(stage.second)) == (409, "idempotency_key_in_progress")
    assert effects(database, wish) == NOTHING
    assert not is_replay(wish.send(stage.second))


def test_a_statement_that_takes_too_long_is_busy(stage, database, purchase):
    wish = purchase()
    before = cancelled_statements(stage, because_of="statement timeout")
    with trigger_on_bookings(database, "PERFORM pg_sleep(60);"):
        assert refusal(wish.send(stage.second)) == (503, "busy")
    assert cancelled_statements(stage, because_of="statement timeout") == before + 1
    assert effects(database, wish) == NOTHING
    assert not is_replay(wish.send(stage.second))


@pytest.mark.django_db
@pytest.mark.parametrize("timeout", ["lock_timeout", "statement_timeout"])
def test_a_command_has_no_statement_timeout(timeout):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {timeout}")
        assert cursor.fetchone() == ("0",)


def test_a_process_suspended_in_a_transaction_loses_its_session(stage, database, purchase, aside):
    wish = purchase()
    (worker,) = stage.second.workers()
    with database.locked("seats", *wish.seat_ids):
        answer = aside(wish, stage.second)
        until(database.waiting, what="the booking waits for its seat")
        os.kill(worker, signal.SIGSTOP)
    try:
        until(lambda: idle_in_transaction(database), what="the booking's connection is idle")
        until(lambda: not idle_in_transaction(database), what="PostgreSQL throws it out")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert refusal(answer.result()) == (503, "busy")
    assert effects(database, wish) == NOTHING
    assert not is_replay(wish.send(stage.second))


def idle_in_transaction(database: Database) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    return int(database.ask(sql))


def test_requests_beyond_the_pool_are_busy_until_a_connection_is_free(
    stage, database, purchase, aside
):
    narrow = {"DATABASE_POOL_MAX": "2", "DATABASE_POOL_TIMEOUT_SECONDS": "0.2"}
    app = stage.server(**PATIENT, **narrow)
    app.start()
    app.wait()
    wishes = [purchase(), purchase()]
    late = purchase()
    with database.locked("seats", *wishes[0].seat_ids, *wishes[1].seat_ids):
        answers = [aside(wish, app) for wish in wishes]
        until(lambda: database.waiting() == 2, what="both connections are in use")
        assert refusal(late.send(app)) == (503, "busy")
    assert [is_replay(answer.result()) for answer in answers] == [False, False]
    assert not is_replay(late.send(app))
    app.stop()
