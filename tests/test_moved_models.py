"""Models and tasks that move to another module or app take their rows and permissions along."""

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from bookings.show_changes.cancelling import cancel_orders
from tests.web import ROOT

OLD = ("bookings", "0007_uncount_shows")
OLD_STATE = """
INSERT INTO auth_group (name) VALUES ('Analyst');
INSERT INTO auth_group_permissions (group_id, permission_id)
SELECT auth_group.id, auth_permission.id FROM auth_group, auth_permission
 WHERE codename IN ('view_reports', 'sell_order', 'view_countedshow', 'change_countedsales',
                    'add_importedrow');
INSERT INTO audit_entries (action, subject_type, subject_id, subject_name, facts) VALUES
    ('changed', 'bookings.countedshow', '1', 'Show 1', '{}'),
    ('changed', 'bookings.countedsales', '1', 'Sales', '{}'),
    ('changed', 'bookings.importedrow', '1', 'Row', '{}'),
    ('changed', 'bookings.order', '1', 'Order', '{}');
INSERT INTO movies (title, description) VALUES ('Alien', '');
INSERT INTO theatres (name, location) VALUES ('Rex', 'Graz');
INSERT INTO shows (movie_id, theatre_id, start_time)
SELECT movies.id, theatres.id, now() FROM movies, theatres;
INSERT INTO counted_shows (show_id, seats_for_sale, counted_at) SELECT id, 3, now() FROM shows;
INSERT INTO counted_sales (show_id, channel, currency, admissions, priced, gross)
SELECT show_id, 'web', 'EUR', 2, 2, 20 FROM counted_shows;
INSERT INTO django_tasks_database_dbtaskresult
    (id, status, priority, task_path, queue_name, backend_name, args_kwargs, enqueued_at,
     run_after, worker_ids, exception_class_path, traceback)
VALUES ('00000000-0000-0000-0000-000000000001', 'READY', 0,
        'bookings.services.cancelling_shows.cancel_orders', 'default', 'default',
        '{"args": [], "kwargs": {"show_id": 1}}', now(), now(), '[]', '', '');
INSERT INTO imported_rows (house, kind, original_id, own_id) VALUES ('Rex', 'shows', 7, 1);
"""
FACTS = (
    """
    SELECT app_label, model, codename FROM auth_group_permissions
      JOIN auth_permission ON auth_permission.id = permission_id
      JOIN django_content_type ON django_content_type.id = content_type_id
    """,
    """
    SELECT app_label, model FROM django_content_type
     WHERE model IN ('countedshow', 'countedsales', 'importedrow', 'order')
    """,
    "SELECT subject_type FROM audit_entries",
    "SELECT codename, count(*) FROM auth_permission GROUP BY codename",
    "SELECT task_path FROM django_tasks_database_dbtaskresult",
    "SELECT house, kind, original_id, own_id FROM imported_rows",
    "SELECT * FROM counted_shows",
    "SELECT * FROM counted_sales",
)
MOVED = {"countedshow": "reports", "countedsales": "reports", "importedrow": "legacy_import"}


@pytest.fixture
def database(django_db_setup: None) -> Iterator[str]:
    """The address of a database as it was before the move."""
    name = f"moved_models_{os.getpid()}"
    server = os.environ["DATABASE_URL"]
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
        try:
            for target in (["accounts", "0003_audit_entries"], ["django_tasks_database"], OLD):
                migrate(url, *target)
            with psycopg.connect(url) as old:
                old.execute(OLD_STATE)
            yield url
        finally:
            link.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate(url: str, *target: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0", *target]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, check=True)


def facts(url: str) -> list[set[tuple[object, ...]]]:
    with psycopg.connect(url) as link:
        return [set(link.execute(query)) for query in FACTS]


def test_moved_models_take_along_what_refers_to_them(database: str) -> None:
    before = facts(database)
    migrate(database)
    permissions, types, entries, codenames, tasks, *rows = facts(database)
    assert permissions == {
        ("reports", "countedshow", "view_reports"),
        ("reports", "countedshow", "view_countedshow"),
        ("reports", "countedsales", "change_countedsales"),
        ("legacy_import", "importedrow", "add_importedrow"),
        ("bookings", "order", "sell_order"),
    }
    assert types == {(app, model) for model, app in MOVED.items()} | {("bookings", "order")}
    assert entries == {(f"{app}.{model}",) for app, model in types}
    moved = {f"{verb}_{model}" for verb in ("add", "change", "delete", "view") for model in MOVED}
    assert {(name, 1) for name in moved | {"view_reports", "sell_order"}} <= codenames
    assert tasks == {(cancel_orders.module_path,)}
    assert rows == before[5:]

    migrate(database, *OLD)
    assert facts(database)[:3] + facts(database)[4:] == before[:3] + before[4:]


def test_sessions_end_whose_statements_return_the_former_types_of_seats(database: str) -> None:
    """Else a server of an old release would answer 500 for every seat map until it is restarted."""
    with psycopg.connect(database, autocommit=True) as server:
        server.execute("SELECT row, price FROM seats", prepare=True)
        migrate(database)
        with pytest.raises(psycopg.OperationalError):
            server.execute("SELECT row, price FROM seats")
