"""The connections of web processes stop waiting by themselves."""

from typing import Any

import psycopg
import pytest
from django.db import connection

from booking_site.postgres.connection import WebConnection
from tests.web import database_url


@pytest.mark.django_db
def test_a_connection_without_an_answer_is_closed(settings: Any) -> None:
    """Otherwise its next statement would get this one's result."""
    settings.STATEMENT_TIMEOUT_MS = 1
    web = WebConnection.connect(database_url(), autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(psycopg.OperationalError):
            web.execute("SELECT pg_advisory_lock(1)")
        cursor.execute("SELECT pg_advisory_unlock(1)")
    assert web.closed


@pytest.mark.django_db
def test_a_connection_that_receives_an_error_stays_open() -> None:
    with WebConnection.connect(database_url(), autocommit=True) as web:
        web.execute("SET statement_timeout = 1")
        with pytest.raises(psycopg.errors.QueryCanceled):
            web.execute("SELECT pg_sleep(5)")
        assert not web.closed
