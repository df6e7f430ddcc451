"""A worker whose database fails outside a task connects again, whatever the error was."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from django.db import InternalError, connection
from django.db.models.functions import Now
from django_tasks_db.models import DBTaskResult
from psycopg import sql

from benchmarks.servers import wait_until
from booking_site.tasks.worker import WORKERS, _run_scheduled_job
from tests.booking_site.tasks.conftest import StartWorker
from tests.jobs import note

pytestmark = pytest.mark.django_db(transaction=True)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        name = sql.Identifier(connection.settings_dict["NAME"])
        cursor.execute(sql.SQL(statement).format(name))


def end_sessions_of_workers() -> None:
    """As a failover does: the connections to the former primary end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = %s",
            [WORKERS],
        )


def make_read_only() -> None:
    execute("ALTER DATABASE {} SET default_transaction_read_only = on")
    end_sessions_of_workers()


def make_writable() -> None:
    execute("ALTER DATABASE {} RESET default_transaction_read_only")


def hide_the_queue() -> None:
    execute("ALTER TABLE django_tasks_database_dbtaskresult RENAME TO gone")


def show_the_queue() -> None:
    execute("ALTER TABLE IF EXISTS gone RENAME TO django_tasks_database_dbtaskresult")


@pytest.fixture
def _repaired() -> Iterator[None]:
    yield
    make_writable()
    show_the_queue()


def has_line(log: IO[str], text: str) -> bool:
    """Read the log up to a line with the text."""
    return any(text in line for line in log)


@pytest.mark.usefixtures("_repaired")
@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        (make_read_only, make_writable),
        (hide_the_queue, show_the_queue),
        (end_sessions_of_workers, lambda: None),
    ],
)
def test_a_worker_survives_the_loss_of_its_database(
    start_worker: StartWorker,
    notes: Path,
    damage: Callable[[], None],
    repair: Callable[[], None],
) -> None:
    note.enqueue(str(notes), text="before")
    process = start_worker()
    assert process.stderr
    wait_until(notes.exists, what="The worker")
    damage()
    assert has_line(process.stderr, "The worker lost the database")
    repair()
    assert has_line(process.stderr, "The worker is connected to the database again")
    note.enqueue(str(notes), text="after")
    wait_until(lambda: notes.read_text() == "before\nafter\n", what="The worker")


@pytest.mark.usefixtures("_repaired")
def test_a_worker_that_starts_on_a_read_only_database_waits(
    start_worker: StartWorker, notes: Path
) -> None:
    note.enqueue(str(notes), text="one")
    make_read_only()
    process = start_worker("--until-empty")
    assert process.stderr
    assert has_line(process.stderr, "The worker lost the database")
    make_writable()
    assert process.wait(60) == 0
    assert notes.read_text() == "one\n"
    assert DBTaskResult.objects.filter(finished_at__lte=Now()).count() == 1


def test_a_worker_that_starts_without_its_database_waits(start_worker: StartWorker) -> None:
    process = start_worker(database="postgres://nobody@127.0.0.1:1/nothing")
    assert process.stderr
    assert has_line(process.stderr, "The worker lost the database")
    process.terminate()
    assert process.wait(60) == 0


def test_a_scheduled_job_on_a_read_only_database_is_not_a_failure_of_the_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    execute("SET default_transaction_read_only = on")
    try:
        with pytest.raises(InternalError):
            _run_scheduled_job("release_expired_holds", {})
    finally:
        execute("RESET default_transaction_read_only")
    assert "failed" not in caplog.text
