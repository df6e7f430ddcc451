"""Faults during COMMIT: a retry with the key gets the outcome of the booking."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from tests.faults.customers import effects, is_replay, refusal
from tests.faults.servers import ONLY_COMMIT_TIMEOUT, Database, until

NOTHING = (0, 0)
ONCE = (1, 1)
TERMINATE_IDLE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = 'booking_site' AND state = 'idle'
"""


@contextmanager
def commits_waiting(database: Database) -> Iterator[None]:
    """Make every COMMIT of a booking wait inside PostgreSQL until the block ends."""
    database.do(
        """
        CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
            $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON bookings
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit();
        """
    )
    try:
        with database.connect() as gate:
            gate.execute("SELECT pg_advisory_lock(1)")
            yield
    finally:
        # Waits for the commits, which have used the trigger.
        database.do("DROP FUNCTION wait_at_commit CASCADE")


def committing(database: Database) -> int:
    sql = (
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event_type = 'Lock'"
    )
    return int(database.ask(sql))


def test_a_connection_cut_before_commit_is_an_unknown_outcome(servers, database, new_purchase):
    purchase = new_purchase()
    servers.cut_next_commit("before")
    assert refusal(purchase.send(servers.first)) == (503, "outcome_unknown")
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.first))
    assert effects(database, purchase) == ONCE


def test_a_connection_cut_when_no_other_is_available_is_an_unknown_outcome(
    servers, database, serve, new_purchase, in_background
):
    """The lookup waits for a connection no longer than the rest of the commit timeout."""
    purchase = new_purchase()
    through_cutter = {"DATABASE_URL": servers.first.environment["DATABASE_URL"]}
    with (
        serve(**ONLY_COMMIT_TIMEOUT, **through_cutter) as app,
        database.connect(dbname="postgres") as other_database,
    ):
        with database.locked("seats", *purchase.seat_ids):
            answer = in_background(purchase, app)
            until(database.waiting, what="the booking waits for its seat")
            other_database.execute("ALTER DATABASE booking_site ALLOW_CONNECTIONS false")
            other_database.execute(TERMINATE_IDLE)
            servers.cut_next_commit("before")
        try:
            given = answer.result()
        finally:
            other_database.execute("ALTER DATABASE booking_site ALLOW_CONNECTIONS true")
    assert refusal(given) == (503, "outcome_unknown")
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.first))
    assert effects(database, purchase) == ONCE


def test_a_commit_that_never_arrives_is_rolled_back(servers, database, new_purchase):
    purchase = new_purchase()
    servers.cut_next_commit("lose")
    assert refusal(purchase.send(servers.first)) == (503, "busy")  # after the idle timeout
    assert effects(database, purchase) == NOTHING
    assert not is_replay(purchase.send(servers.first))
    assert effects(database, purchase) == ONCE


def test_a_connection_cut_after_commit_is_a_booking(servers, database, new_purchase):
    purchase = new_purchase()
    servers.cut_next_commit("after")
    given = purchase.send(servers.first)
    assert not is_replay(given)
    assert effects(database, purchase) == ONCE
    again = purchase.send(servers.second)
    assert is_replay(again)
    assert again.body == given.body


def test_a_commit_that_outlives_its_connection_is_found_by_the_retry(
    servers, database, new_purchase, in_background
):
    purchase = new_purchase()
    with commits_waiting(database):
        servers.cut_next_commit("during")
        assert refusal(purchase.send(servers.first)) == (503, "outcome_unknown")
        assert committing(database)
        retry = in_background(purchase, servers.second)
        until(lambda: database.waiting() == 2, what="the retry waits behind the lost booking")
    assert is_replay(retry.result())
    assert effects(database, purchase) == ONCE


def test_the_retry_of_a_booking_whose_worker_was_killed_gets_the_stored_answer(
    servers, database, new_purchase, in_background
):
    purchase = new_purchase()
    with commits_waiting(database):
        answer = in_background(purchase, servers.first)
        until(lambda: committing(database), what="the booking is committing")
        (worker,) = servers.first.workers()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises((OSError, HTTPException)):
            answer.result()
    until(lambda: effects(database, purchase) == ONCE, what="the commit is done")
    assert is_replay(purchase.send(servers.second))
    servers.first.wait()
    assert is_replay(purchase.send(servers.first))
    assert effects(database, purchase) == ONCE


def test_one_key_on_two_servers_at_once_has_one_effect(
    servers, database, new_purchase, in_background
):
    purchase = new_purchase()
    with database.locked("seats", *purchase.seat_ids):
        one = in_background(purchase, servers.first)
        until(lambda: database.waiting() == 1, what="the first waits for the seat")
        two = in_background(purchase, servers.second)
        until(lambda: database.waiting() == 2, what="the second waits for the user")
    assert not is_replay(one.result())
    assert is_replay(two.result())
    assert two.result().body == one.result().body
    assert effects(database, purchase) == ONCE
