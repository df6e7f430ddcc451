"""A backup is restored on an empty server: Redis is flushed, and the doctor finds no violation."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from redis import Redis
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.embedded.directories import temporary_directory
from booking_site.embedded.postgres import programs, start_postgres
from booking_site.embedded.redis import start_redis
from booking_site.postgres.backups import libpq_options
from tests.bookings.calls import bought, held
from tests.factories import ShowFactory, make_seats
from tests.web import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def elsewhere() -> Iterator[dict[str, str]]:
    """The addresses of an empty PostgreSQL and of a Redis, both new."""
    with temporary_directory() as directory:
        servers = [start_postgres(directory), start_redis(directory)]
        try:
            yield {"DATABASE_URL": servers[0].url, "REDIS_URL": servers[1].url}
        finally:
            for server in servers:
                server.stop()


@pytest.fixture
def manage() -> Iterator[Manage]:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    with temporary_directory() as directory:
        tools = programs(directory)
        yield run


def rows(url: str, table: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as server:
        return server.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def test_a_backup_is_restored_completely(
    manage: Manage, elsewhere: dict[str, str], customer: APIClient, tmp_path: Path
) -> None:
    seats = make_seats(ShowFactory(), "SSSS")
    bought(customer, *seats[:2])
    held(customer, seats[3])
    here, there = database_url(), elsewhere["DATABASE_URL"]
    dump = tmp_path / "cinema.dump"
    done = manage("backup", str(dump), DATABASE_URL=here)
    assert done.returncode == 0, done.stderr
    assert dump.stat().st_mode & 0o077 == 0

    cache = Redis.from_url(elsewhere["REDIS_URL"])
    cache.set("an answer of the future", "x")
    done = manage("restore", str(dump), **elsewhere)
    assert done.returncode == 0, done.stderr
    assert "Flushed Redis." in done.stdout
    assert cache.dbsize() == 0
    for table in ("users", "shows", "seats", "holds", "orders", "bookings", "idempotency_records"):
        assert rows(there, table) == rows(here, table) != []
    assert manage("doctor", **elsewhere).returncode == 0
    with psycopg.connect(there) as server:
        analyzed = server.execute("SELECT DISTINCT tablename FROM pg_stats").fetchall()
    assert {("users",), ("shows",), ("seats",), ("bookings",)} <= set(analyzed)
    # New rows go on after the old ones.
    with psycopg.connect(there) as server:
        server.execute("INSERT INTO theatres (name, location) VALUES ('New', 'Here')")

    again = manage("restore", str(dump), **elsewhere)
    assert again.returncode == 1
    assert "This database is not empty." in again.stderr


def test_a_rehearsal_leaves_redis_alone_and_no_worker_runs_on_its_copy(
    manage: Manage, elsewhere: dict[str, str], user: User, api: APIClient, tmp_path: Path
) -> None:
    api.post("/api/auth/password/reset", {"email": user.email}, format="json")
    dump = tmp_path / "cinema.dump"
    assert manage("backup", str(dump), DATABASE_URL=database_url()).returncode == 0
    cache = Redis.from_url(elsewhere["REDIS_URL"])
    cache.set("an answer of the live site", "x")
    done = manage("restore", "--rehearsal", str(dump), **elsewhere)
    assert done.returncode == 0, done.stderr
    assert cache.keys() == [b"an answer of the live site"]

    there = elsewhere["DATABASE_URL"]
    queued = rows(there, "django_tasks_database_dbtaskresult")
    assert queued
    mails = {"EMAIL_URL": "smtp://127.0.0.1:1", "MAIL_FROM": "cinema@example.com"}
    done = manage("worker", "--until-empty", **elsewhere, **mails)
    assert done.returncode == 1
    assert "DROP SCHEMA rehearsal" in done.stderr
    assert rows(there, "django_tasks_database_dbtaskresult") == queued
    with psycopg.connect(there) as server:
        server.execute("DROP SCHEMA rehearsal")
    assert manage("worker", "--until-empty", **elsewhere, **mails).returncode == 0
    assert rows(there, "django_tasks_database_dbtaskresult") != queued


def test_a_database_with_views_is_empty_and_one_with_a_table_is_not(
    manage: Manage, elsewhere: dict[str, str], user: User, tmp_path: Path
) -> None:
    dump = tmp_path / "cinema.dump"
    assert manage("backup", str(dump), DATABASE_URL=database_url()).returncode == 0
    with psycopg.connect(elsewhere["DATABASE_URL"], autocommit=True) as server:
        server.execute("CREATE VIEW activity AS SELECT * FROM pg_stat_activity")
        server.execute("CREATE TABLE of_an_extension (id int)")
        server.execute("ALTER EXTENSION plpgsql ADD TABLE of_an_extension")
        server.execute("CREATE TABLE others (id int)")
        assert "not empty" in manage("restore", str(dump), **elsewhere).stderr
        server.execute("DROP TABLE others")
    done = manage("restore", str(dump), **elsewhere)
    assert done.returncode == 0, done.stderr


def test_every_option_of_the_connection_reaches_the_programs(
    manage: Manage, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    address = f"{elsewhere['DATABASE_URL']}?options=-c%20default_transaction_read_only%3Don"
    dump = tmp_path / "cinema.dump"
    assert manage("backup", str(dump), DATABASE_URL=database_url()).returncode == 0
    done = manage("restore", str(dump), **elsewhere | {"DATABASE_URL": address})
    assert "pg_restore: error" in done.stderr
    assert "read-only transaction" in done.stderr


def test_options_are_passed_on_as_libpq_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "sslmode": "verify-full",
        "sslrootcert": "/etc/root.crt",
        "sslcert": "/etc/client.crt",
        "sslkey": "/etc/client.key",
        "channel_binding": "require",
        "target_session_attrs": "read-write",
        "password": "it's secret",
        "dbname": "a b",
        "keepalives_idle": "30",
    }
    conninfo, environment = libpq_options(given | {"cursor_factory": object()})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = {
        option.keyword.decode(): option.val.decode()
        for option in Conninfo.get_defaults()
        if option.val
    } | conninfo_to_dict(conninfo)
    assert {name: options.get(name) for name in given} == given
    assert "secret" not in conninfo


def test_the_doctor_reports_violations_in_a_restored_backup(
    manage: Manage, elsewhere: dict[str, str], customer: APIClient, tmp_path: Path
) -> None:
    seats = make_seats(ShowFactory(), "SSSS")
    bought(customer, seats[0])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE seats SET status = 'available' WHERE id = %s", [seats[0].pk])
    dump = tmp_path / "cinema.dump"
    assert manage("backup", str(dump), DATABASE_URL=database_url()).returncode == 0
    assert manage("restore", str(dump), **elsewhere).returncode != 0


def test_a_failed_restore_leaves_the_database_empty(
    manage: Manage, elsewhere: dict[str, str], user: User, tmp_path: Path
) -> None:
    dump = tmp_path / "cinema.dump"
    assert manage("backup", str(dump), DATABASE_URL=database_url()).returncode == 0
    dump.write_bytes(dump.read_bytes()[:-100])  # after its definitions of all tables
    assert manage("restore", str(dump), **elsewhere).returncode == 1
    with psycopg.connect(elsewhere["DATABASE_URL"]) as server:
        found = server.execute("SELECT count(*) FROM pg_class WHERE relname = 'users'").fetchone()
    assert found == (0,)


def test_missing_tools_and_existing_files_are_named(manage: Manage, tmp_path: Path) -> None:
    dump = tmp_path / "cinema.dump"
    done = manage("backup", str(dump), PATH=str(tmp_path))
    assert "pg_dump not found: install the PostgreSQL client" in done.stderr
    assert list(tmp_path.iterdir()) == []
    dump.touch()
    assert f"{dump} already exists." in manage("backup", str(dump)).stderr
    assert "does not exist." in manage("restore", str(tmp_path / "other")).stderr
