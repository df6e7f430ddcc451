"""Who may read the replica, its connections, and the check of REPLICA_URL."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from environ import Env

from booking_site.checks import replica_is_usable
from booking_site.postgres import connection as connections_module
from booking_site.postgres.connection import (
    ReplicaConnection,
    WebConnection,
    postgres_database,
    web_databases,
)
from booking_site.postgres.replica import RECENT_WRITE, may_be_stale, read_from_replica
from tests.web import ROOT, database_url

PACKAGES = ("booking_site", "accounts", "catalog", "bookings", "reports", "legacy_import", "demo")
# Files that contain the alias, besides the key of `/readyz` and the settings of the database.
ROUTER = {
    "booking_site/apps.py",
    "booking_site/http/middleware.py",
    "booking_site/http/views.py",
    "booking_site/postgres/connection.py",
    "booking_site/postgres/replica.py",
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.django_db(transaction=True)
def test_a_read_without_a_token_may_be_stale(rf: RequestFactory, method: str) -> None:
    assert may_be_stale(rf.generic(method, "/api/shows"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.django_db(transaction=True)
def test_another_method_reads_the_primary(rf: RequestFactory, method: str) -> None:
    assert not may_be_stale(rf.generic(method, "/api/shows"))


@pytest.mark.parametrize("header", ["", "Bearer of.another.system", "Basic eDp5"])
@pytest.mark.django_db(transaction=True)
def test_a_caller_with_any_token_reads_the_primary(rf: RequestFactory, header: str) -> None:
    assert not may_be_stale(rf.get("/api/shows", HTTP_AUTHORIZATION=header))


@pytest.mark.django_db(transaction=True)
def test_a_browser_that_has_just_written_reads_the_primary(rf: RequestFactory) -> None:
    rf.cookies[RECENT_WRITE] = "1"
    assert not may_be_stale(rf.get("/admin/reports/"))


@pytest.mark.django_db(transaction=True)
def test_a_transaction_reads_the_primary(rf: RequestFactory) -> None:
    with transaction.atomic():
        assert not may_be_stale(rf.get("/api/shows"))


@pytest.mark.django_db
def test_without_a_replica_the_primary_answers(rf: RequestFactory) -> None:
    assert read_from_replica(rf.get("/api/shows"), lambda using: using) == "default"


def test_no_other_code_names_the_replica() -> None:
    """Otherwise something that decides about a write could read it. `make lint` checks imports."""
    found = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        # `embedded` starts servers, and does not read the site's data.
        if "embedded" not in file.parts
        and re.search(r"""["']replica["']|\bREPLICA\b""", file.read_text())
    }
    assert found == ROUTER


def test_only_the_connections_to_the_replica_give_up_early() -> None:
    database = postgres_database({})
    databases = web_databases(Env(), database, database)
    pools = {name: settings["OPTIONS"]["pool"] for name, settings in databases.items()}
    assert pools["default"]["connection_class"] is WebConnection
    assert pools["replica"]["connection_class"] is ReplicaConnection
    assert pools["replica"]["timeout"] < pools["default"]["timeout"]
    assert pools["replica"]["max_size"] == pools["default"]["max_size"]


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_module, "SILENCE_SECONDS", 0.5)


@pytest.mark.usefixtures("silence")
@pytest.mark.django_db
def test_a_read_ends_when_the_replica_is_silent() -> None:
    replica = ReplicaConnection.connect(database_url(), autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(2)")
        # Not the limit of every connection of web processes.
        with pytest.raises(psycopg.OperationalError, match="The replica does not respond"):
            replica.execute("SELECT pg_advisory_lock(2)")
        cursor.execute("SELECT pg_advisory_unlock(2)")
    assert replica.closed


@pytest.mark.usefixtures("silence")
@pytest.mark.django_db
def test_a_long_read_goes_on_while_the_replica_answers_others() -> None:
    url = database_url()
    with (
        closing(ReplicaConnection.connect(url, autocommit=True)) as slow,
        closing(ReplicaConnection.connect(url, autocommit=True)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        report = pool.submit(slow.execute, "SELECT pg_sleep(1.5)")
        while not report.done():
            other.execute("SELECT pg_sleep(0.05)")
        assert report.result().rowcount == 1


def messages(replica: dict[str, Any] | None, settings: Any) -> list[str]:
    settings.REPLICA_DATABASE = replica
    return [warning.msg for warning in replica_is_usable(databases=["default"])]


@pytest.mark.django_db
def test_the_check_names_what_is_wrong_with_the_replica(settings: Any) -> None:
    primary = connection.settings_dict | {"OPTIONS": {}}
    (warning,) = messages(postgres_database(primary), settings)
    assert "REPLICA_URL leads to a server that is not a standby." in warning
    (warning,) = messages(postgres_database(primary | {"PORT": 1}), settings)
    assert "does not respond" in warning
    assert messages(None, settings) == []
