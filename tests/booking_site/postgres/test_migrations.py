"""Migrations of a site in use: they can be interrupted, and do not block the site."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from benchmarks.servers import wait_until
from tests.web import ROOT, RawConnection, database_url, web_server

SCHEMA = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL
    SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid),
           indisvalid
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE relnamespace = 'public'::regnamespace
     UNION ALL
    SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
       AND NOT attisdropped
"""
# Runs all migrations. Those that are not atomic are interrupted after their first operation, then
# after the second, and so on. Prints how many interruptions there were.
INTERRUPTED = """
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations import RunPython

class Interruption(Exception):
    pass

def interrupt(apps, schema_editor):
    raise Interruption

def apply(node, *, operations=None):
    executor = MigrationExecutor(connection)
    if operations is not None:
        migration = executor.loader.graph.nodes[node]
        migration.operations = [*migration.operations[:operations], RunPython(interrupt)]
    executor.migrate([node])

interruptions = 0
executor = MigrationExecutor(connection)
plan = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
for migration, _ in plan:
    node = migration.app_label, migration.name
    for count in range(1, 0 if migration.atomic else len(migration.operations)):
        try:
            apply(node, operations=count)
        except Interruption:
            interruptions += 1
    apply(node)
print(interruptions)
"""


@pytest.fixture
def empty_database(django_db_setup: None) -> Iterator[str]:
    name = f"migrations_{os.getpid()}"
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            link.execute(f"DROP DATABASE {name} WITH (FORCE)")


def environment(url: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "booking_site.settings"}


def schema(url: str) -> set[tuple[object, ...]]:
    with psycopg.connect(url) as link:
        return set(link.execute(SCHEMA))


@pytest.mark.django_db
def test_a_migration_that_was_interrupted_anywhere_can_be_repeated(empty_database: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(empty_database), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) >= 30
    assert schema(empty_database) == schema(database_url())


def test_a_server_started_before_migrate_is_not_ready_but_works_afterwards(
    empty_database: str, tmp_path: Path
) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    own = environment(empty_database)
    subprocess.run([*command, "catalog", "0012"], cwd=ROOT, env=own, check=True)
    with (
        web_server(tmp_path / "log", DATABASE_URL=empty_database) as server,
        closing(RawConnection(server.port)) as raw,
    ):
        for path in ("/readyz", "/api/shows/1/seats", "/api/movies"):
            answer = raw.call("GET", path)
            assert (answer.status, json.loads(answer.body)["code"]) == (503, "not_ready")
            assert answer.headers["Retry-After"]
        subprocess.run(command, cwd=ROOT, env=own, check=True)
        answers = [raw.call("GET", path).status for path in ("/readyz", "/api/shows/1/seats")]
    assert answers == [200, 404]


def test_neither_migrate_nor_the_site_waits_behind_a_long_reader(empty_database: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    own = environment(empty_database)
    # The catalogue first, because one of its migrations ends all other sessions.
    for target in (["catalog"], ["reports", "0001"]):
        subprocess.run([*command, *target], cwd=ROOT, env=own, check=True)
    with (
        closing(psycopg.connect(empty_database)) as reader,
        closing(psycopg.connect(empty_database, autocommit=True)) as site,
    ):
        reader.execute("SELECT FROM counted_sales")
        with subprocess.Popen(
            command, cwd=ROOT, env=own, stderr=subprocess.PIPE, text=True
        ) as migrate:
            pid = reader.info.backend_pid
            blocked = "SELECT FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))"

            def migrate_waits() -> bool:
                return bool(site.execute(blocked, [pid]).rowcount)

            wait_until(migrate_waits, what="migrate")
            try:
                # Longer than `migrate` waits, and as long as requests do.
                site.execute("SET lock_timeout = 3000")
                assert site.execute("SELECT FROM counted_sales").fetchall() == []
                assert migrate.poll() is None
                # Its second attempt begins after its message, which names the reader.
                wait_until(migrate_waits, what="migrate's second attempt")
            finally:
                reader.rollback()
            _, errors = migrate.communicate()
        assert migrate.returncode == 0, errors
        assert f"pid {pid} " in errors
        kind = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'gross'"
        assert ("numeric(13,3)",) in site.execute(kind).fetchall()
