"""A backup is restored on an empty server: Redis is flushed, and the doctor finds no violation."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from redis import Redis
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.embedded.directories import temporary_directory
from booking_site.embedded.postgres import programs, start_postgres
from booking_site.embedded.redis import start_redis
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
    # New rows go on after the old ones.
    with psycopg.connect(there) as server:
        server.execute("INSERT INTO theatres (name, location) VALUES ('New', 'Here')")

    again = manage("restore", str(dump), **elsewhere)
    assert again.returncode == 1
    assert "This database is not empty." in again.stderr


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
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
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
