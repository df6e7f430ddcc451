"""Faults of PostgreSQL: every booking is answered, and done completely or not at all."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from uuid import UUID

import psutil
import pytest
from django.db import connection

from benchmarks.stampede.servers import AppServer
from bookings.transactions import DEADLOCK, SERIALIZATION_FAILURE
from tests.faults.customers import (
    Purchase,
    call,
    effects,
    is_replay,
    new_customer,
    new_show,
    refusal,
)
from tests.faults.servers import LONG_TIMEOUTS, Database, Servers, lock_rows, until
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


def test_pools_recover_when_postgresql_restarts_under_load(servers, database):
    restarted = Event()
    sold: list[Purchase] = []

    def buy(app: AppServer, purchases: list[Purchase]) -> list[Answer]:
        """Buy seat after seat until one was sold after the restart; return the refusals."""
        refused = []
        for purchase in purchases:
            last = restarted.is_set()
            while (answer := purchase.send(app)).status != 201:
                refused.append(answer)
            sold.append(purchase)
            if last:
                break
        return refused

    with ThreadPoolExecutor(2) as pool:
        buyers = [pool.submit(buy, app, seat_by_seat(database)) for app in servers.apps[:2]]
        until(lambda: len(sold) > 4, what="some seats are sold")
        servers.restart_postgres()
        restarted.set()
        refused = [answer for buyer in buyers for answer in buyer.result()]

    assert {refusal(answer) for answer in refused} <= {(503, "busy"), (503, "outcome_unknown")}
    assert {effects(database, purchase) for purchase in sold} == {ONCE}


def seat_by_seat(database: Database) -> list[Purchase]:
    customer = new_customer(database)
    show_id, seat_ids = new_show(database, seats=400)
    return [Purchase(customer, show_id, [seat_id]) for seat_id in seat_ids]


def test_a_database_that_accepts_no_connections_is_busy_until_it_does(
    servers, database, new_purchase
):
    purchase = new_purchase()
    with database.connect(dbname="postgres") as other_database:
        other_database.execute("ALTER DATABASE booking_site ALLOW_CONNECTIONS false")
        other_database.execute(TERMINATE_OTHERS)
        answers = [purchase.send(servers.second) for _ in range(2)]
        other_database.execute("ALTER DATABASE booking_site ALLOW_CONNECTIONS true")
    assert [refusal(answer) for answer in answers] == [(503, "busy")] * 2
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.second))


def test_terminated_connections_in_the_pool_have_no_effect(servers, database, new_purchase):
    assert not is_replay(new_purchase().send(servers.second))
    database.do(TERMINATE_OTHERS)
    assert not is_replay(new_purchase().send(servers.second))


def test_a_booking_whose_connection_is_terminated_is_rolled_back(
    servers, database, new_purchase, in_background
):
    purchase = new_purchase()
    with database.locked("seats", *purchase.seat_ids) as holder:
        answer = in_background(purchase, servers.second)
        until(database.waiting, what="the booking waits for its seat")
        holder.execute(TERMINATE_OTHERS)
        assert refusal(answer.result()) == (503, "busy")
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.second))


def test_a_deadlock_restarts_the_whole_booking(servers, database, new_purchase, in_background):
    purchase = new_purchase()
    hold_id = UUID(json.loads(purchase.hold(servers.second).body)["id"])
    deadlocks = servers.postgres_log.read_text().count("deadlock detected")
    with ThreadPoolExecutor(1) as pool, database.locked("seats", *purchase.seat_ids) as rival:
        with database.locked("holds", hold_id):
            answer = in_background(purchase, servers.second)
            until(database.waiting, what="the booking has its user and waits for the hold")
            crossing = pool.submit(lock_rows, rival, "users", purchase.customer.id)
            until(lambda: database.waiting() == 2, what="the rival waits for the user")
        crossing.result()
    assert not is_replay(answer.result())
    assert servers.postgres_log.read_text().count("deadlock detected") == deadlocks + 1
    assert effects(database, purchase) == ONCE


@pytest.mark.parametrize("sqlstate", [DEADLOCK, SERIALIZATION_FAILURE])
def test_a_transient_error_is_retried_three_times(sqlstate, servers, database, new_purchase):
    purchase = new_purchase(seats=2)
    with trigger_on_bookings(database, fails_first(3, sqlstate)):
        assert not is_replay(purchase.send(servers.second))
    assert effects(database, purchase) == (2, 1)


@pytest.mark.parametrize("sqlstate", [DEADLOCK, SERIALIZATION_FAILURE])
def test_a_transient_error_after_three_retries_is_busy(sqlstate, servers, database, new_purchase):
    purchase = new_purchase()
    with trigger_on_bookings(database, fails_first(1000, sqlstate)):
        assert refusal(purchase.send(servers.second)) == (503, "busy")
        assert database.ask("SELECT last_value FROM attempts") == 4
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.second))


def cancelled_statements(servers: Servers, *, because_of: str) -> int:
    """Return how often PostgreSQL has logged that it ended a statement for this reason."""
    return servers.postgres_log.read_text().count(f"canceling statement due to {because_of}")


def test_a_seat_locked_too_long_is_busy(servers, database, new_purchase):
    purchase = new_purchase()
    before = cancelled_statements(servers, because_of="lock timeout")
    with database.locked("seats", *purchase.seat_ids):
        assert refusal(purchase.send(servers.second)) == (503, "busy")
    assert cancelled_statements(servers, because_of="lock timeout") == before + 1
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.second))


def test_a_user_locked_too_long_is_a_key_in_progress(servers, database, new_purchase):
    purchase = new_purchase()
    with database.locked("users", purchase.customer.id):
        assert refusal(purchase.send(servers.second)) == (409, "idempotency_key_in_progress")
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.second))


def test_a_statement_that_takes_too_long_is_busy(servers, database, new_purchase):
    purchase = new_purchase()
    before = cancelled_statements(servers, because_of="statement timeout")
    with trigger_on_bookings(database, "PERFORM pg_sleep(60);"):
        assert refusal(purchase.send(servers.second)) == (503, "busy")
    assert cancelled_statements(servers, because_of="statement timeout") == before + 1
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.second))


@pytest.mark.django_db
@pytest.mark.parametrize("timeout", ["lock_timeout", "statement_timeout"])
def test_a_command_has_no_statement_timeout(timeout):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {timeout}")
        assert cursor.fetchone() == ("0",)


def test_a_process_suspended_in_a_transaction_loses_its_session(
    servers, database, new_purchase, in_background
):
    purchase = new_purchase()
    (worker,) = servers.second.workers()
    with database.locked("seats", *purchase.seat_ids):
        answer = in_background(purchase, servers.second)
        until(database.waiting, what="the booking waits for its seat")
        os.kill(worker, signal.SIGSTOP)
    try:
        until(lambda: idle_in_transaction(database), what="the booking's connection is idle")
        until(lambda: not idle_in_transaction(database), what="PostgreSQL throws it out")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert refusal(answer.result()) == (503, "busy")
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.second))


def idle_in_transaction(database: Database) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    return int(database.ask(sql))


@contextmanager
def suspended(servers: Servers) -> Iterator[None]:
    """Stop all processes of PostgreSQL, as if its machine hung; new connections hang as well."""
    postmaster = psutil.Process(servers.postgres.process.pid)
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def test_requests_are_busy_while_postgresql_hangs(servers, database, serve, new_purchase):
    """PostgreSQL applies no timeout then. Statements are sent by cursors and pipelined."""
    purchase = new_purchase()
    with serve(STATEMENT_TIMEOUT_MS="500") as app:
        with suspended(servers):
            for _ in range(2):  # on an open connection, then on a new one
                listed = call(app, "GET", "/api/auth/me/export", customer=purchase.customer)
                assert refusal(listed) == (503, "busy")
                assert refusal(purchase.send(app)) == (503, "busy")
        until(lambda: purchase.send(app).status == 201, what="the server is used again")
    assert effects(database, purchase) == ONCE


def test_requests_beyond_the_pool_are_busy_until_a_connection_is_free(
    servers, database, new_purchase, in_background
):
    narrow = {"DATABASE_POOL_MAX": "2", "DATABASE_POOL_TIMEOUT_SECONDS": "0.2"}
    app = servers.server(**LONG_TIMEOUTS, **narrow)
    app.start()
    app.wait()
    purchases = [new_purchase(), new_purchase()]
    late = new_purchase()
    with database.locked("seats", *purchases[0].seat_ids, *purchases[1].seat_ids):
        answers = [in_background(purchase, app) for purchase in purchases]
        until(lambda: database.waiting() == 2, what="both connections are in use")
        assert refusal(late.send(app)) == (503, "busy")
    assert [is_replay(answer.result()) for answer in answers] == [False, False]
    assert not is_replay(late.send(app))
    app.stop()
