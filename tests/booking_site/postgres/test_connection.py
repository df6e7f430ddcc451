"""The connections of web processes stop waiting by themselves."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Timer
from typing import Any

import psycopg
import pytest
from django.db import connection

from booking_site.postgres import sessions
from booking_site.postgres.connection import WebConnection, waiting_until
from tests.web import database_url


@pytest.fixture
def endless() -> Iterator[str]:
    """A statement that waits until the test ends, or fails after five seconds: see `connect`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        yield "SELECT pg_advisory_lock(1)"
        cursor.execute("SELECT pg_advisory_unlock(1)")


def connect() -> WebConnection:
    """PostgreSQL's own limit ends the statement without closing the connection."""
    return WebConnection.connect(database_url(), autocommit=True, options="-c lock_timeout=5s")


@pytest.mark.django_db
def test_a_connection_without_an_answer_is_closed(settings: Any, endless: str) -> None:
    """Otherwise its next statement would get this one's result."""
    settings.STATEMENT_TIMEOUT_MS = 1
    web = connect()
    with pytest.raises(psycopg.OperationalError):
        web.execute(endless)
    assert web.closed


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [[0], [0, 3600], [3600, 0]], ids=str)
def test_a_wait_ends_at_the_earliest_deadline(
    seconds: list[int], settings: Any, endless: str
) -> None:
    """Otherwise the lookup after COMMIT would start the clock again."""
    settings.STATEMENT_TIMEOUT_MS = 3_600_000
    web = connect()
    with ExitStack() as stack:
        for each in seconds:
            stack.enter_context(waiting_until(time.monotonic() + each))
        with pytest.raises(psycopg.OperationalError):
            web.execute(endless)
    assert web.closed


@pytest.mark.django_db
def test_the_check_of_a_pooler_ends_while_postgresql_hangs(settings: Any) -> None:
    """Otherwise the threads of the pool that connect would wait until it resumes."""
    settings.STATEMENT_TIMEOUT_MS = 1
    web = connect()
    process = web.info.backend_pid
    os.kill(process, signal.SIGSTOP)
    resume = Timer(5, os.kill, [process, signal.SIGCONT])  # otherwise this test would not end
    resume.start()
    try:
        with pytest.raises(psycopg.OperationalError):
            sessions._passes_names_on(web)
        assert web.closed
    finally:
        resume.cancel()
        os.kill(process, signal.SIGCONT)


@pytest.mark.django_db
def test_a_deadline_ends_with_its_block() -> None:
    with WebConnection.connect(database_url(), autocommit=True) as web:
        with waiting_until(time.monotonic()):
            pass
        web.execute("SELECT pg_sleep(0.01)")


@pytest.mark.django_db
def test_a_connection_that_receives_an_error_stays_open() -> None:
    with WebConnection.connect(database_url(), autocommit=True) as web:
        web.execute("SET statement_timeout = 1")
        with pytest.raises(psycopg.errors.QueryCanceled):
            web.execute("SELECT pg_sleep(5)")
        assert not web.closed
