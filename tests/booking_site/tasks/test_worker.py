"""The worker: no task is lost, whatever ends it, and scheduled jobs run."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from accounts import audit
from accounts.models import AuditEntry, User
from booking_site.tasks import worker
from booking_site.tasks.outbox import ATTEMPTS, pause_after
from booking_site.tasks.worker import STARTS, Worker, rescue_tasks
from bookings.models import Booking
from tests.booking_site.tasks.conftest import StartWorker
from tests.factories import SeatFactory, UserFactory
from tests.jobs import fail, hang_once, note
from tests.web import ROOT, database_url

PATIENCE_MS = 60_000

on_real_connections = pytest.mark.django_db(transaction=True)


def is_readable(file: int) -> bool:
    """Wait until there is something to read: text in a pipe, or the end of a process."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(PATIENCE_MS))


class Hanging:
    """A task that reports when it has started, and continues on a signal."""

    def __init__(self, folder: Path) -> None:
        for name in ("begun", "go"):
            os.mkfifo(folder / name)
        self._begun, self._go = (
            os.open(folder / name, os.O_RDWR | os.O_NONBLOCK) for name in ("begun", "go")
        )
        hang_once.enqueue(str(folder))

    def has_begun(self) -> bool:
        return is_readable(self._begun)

    def go_on(self) -> None:
        os.write(self._go, b"!")

    def close(self) -> None:
        os.close(self._begun)
        os.close(self._go)


@pytest.fixture
def hanging(transactional_db: None, tmp_path: Path) -> Iterator[Hanging]:
    job = Hanging(tmp_path)
    yield job
    job.close()


def rows() -> list[DBTaskResult]:
    return list(DBTaskResult.objects.order_by("enqueued_at"))


def make_due() -> None:
    DBTaskResult.objects.update(run_after=Now())


@pytest.mark.django_db
def test_a_task_runs_once(notes: Path) -> None:
    note.enqueue(str(notes), text="one")
    assert Worker().do_next_task()
    assert not Worker().do_next_task()
    assert notes.read_text() == "one\n"
    assert rows()[0].status == TaskResultStatus.SUCCESSFUL


@on_real_connections
def test_a_task_of_a_rolled_back_transaction_does_not_run(notes: Path) -> None:
    with transaction.atomic():
        note.enqueue(str(notes), text="one")
        transaction.set_rollback(True)
    assert not Worker().do_next_task()
    assert not notes.exists()


@pytest.mark.django_db
def test_a_task_that_raises_is_retried_later_and_finally_given_up() -> None:
    fail.enqueue("lena@example.com")
    for attempt in range(1, ATTEMPTS + 1):
        make_due()
        before = DBTaskResult.objects.values_list(Now(), flat=True).get()
        assert Worker().do_next_task()
        assert not Worker().do_next_task()
        (row,) = rows()
        assert len(row.worker_ids) == attempt
        if attempt < ATTEMPTS:
            assert row.run_after >= before + pause_after(attempt)
    assert row.status == TaskResultStatus.FAILED
    assert row.exception_class_path == "builtins.OSError"
    assert "in fail" in row.traceback


@pytest.mark.django_db
def test_stored_and_logged_failures_contain_no_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail.enqueue("lena@example.com")
    for _ in range(ATTEMPTS):
        make_due()
        Worker().do_next_task()
    assert caplog.text.count("raised OSError; retrying") == ATTEMPTS - 1
    assert "raised OSError; given up" in caplog.text
    assert "lena" not in caplog.text + rows()[0].traceback


@pytest.mark.django_db
def test_an_unknown_task_waits_for_a_worker_that_knows_it(notes: Path) -> None:
    note.enqueue(str(notes), text="one")
    DBTaskResult.objects.update(task_path="tests.jobs.from_the_future")
    Worker().do_next_task()
    assert rows()[0].status == TaskResultStatus.READY
    DBTaskResult.objects.update(task_path="tests.jobs.note", run_after=timezone.now())
    Worker().do_next_task()
    assert notes.read_text() == "one\n"


@on_real_connections
def test_the_task_of_a_killed_worker_is_run_by_the_next(
    start_worker: StartWorker, hanging: Hanging, notes: Path
) -> None:
    first = start_worker()
    assert hanging.has_begun()
    assert rows()[0].status == TaskResultStatus.RUNNING
    assert rescue_tasks() == 0  # it is alive
    first.kill()
    first.wait()
    assert start_worker("--until-empty").wait(PATIENCE_MS / 1000) == 0
    assert notes.read_text() == "done\n"
    assert [len(row.worker_ids) for row in rows()] == [2]
    assert rows()[0].status == TaskResultStatus.SUCCESSFUL


@on_real_connections
def test_a_task_that_kills_every_worker_is_given_up(notes: Path) -> None:
    note.enqueue(str(notes), text="one")
    gone = [f"gone {n}" for n in range(STARTS)]
    DBTaskResult.objects.update(status=TaskResultStatus.RUNNING, worker_ids=gone[1:])
    assert rescue_tasks() == 1
    assert rows()[0].status == TaskResultStatus.READY
    DBTaskResult.objects.update(status=TaskResultStatus.RUNNING, worker_ids=gone)
    assert rescue_tasks() == 1
    assert rows()[0].status == TaskResultStatus.FAILED


@on_real_connections
def test_a_worker_taken_for_dead_does_not_overwrite_its_successor(
    notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note.enqueue(str(notes), text="one")
    slow = Worker()
    slow.id = "slow"

    def be_overtaken(*args: Any, **kwargs: Any) -> None:
        DBTaskResult.objects.update(worker_ids=["slow", "successor"])

    monkeypatch.setattr("tests.jobs.Path", be_overtaken)
    slow.do_next_task()
    assert rows()[0].status == TaskResultStatus.RUNNING


@on_real_connections
def test_sigterm_ends_a_worker_after_its_current_task(
    start_worker: StartWorker, hanging: Hanging, notes: Path
) -> None:
    note.enqueue(str(notes), text="next")
    process = start_worker()
    assert hanging.has_begun()
    process.send_signal(signal.SIGTERM)
    hanging.go_on()
    assert process.wait(PATIENCE_MS / 1000) == 0
    assert notes.read_text() == "done\n"
    assert [row.status for row in rows()] == [TaskResultStatus.SUCCESSFUL, TaskResultStatus.READY]


@on_real_connections
def test_a_worker_that_loses_its_session_continues_under_a_new_id(
    start_worker: StartWorker, hanging: Hanging, notes: Path
) -> None:
    process = start_worker("--until-empty")
    assert hanging.has_begun()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = %s",
            [worker.WORKERS],
        )
    hanging.go_on()  # but that it is done cannot be recorded
    assert process.wait(PATIENCE_MS / 1000) == 0
    assert notes.read_text() == "done\ndone\n"
    assert len(set(rows()[0].worker_ids)) == 2
    assert rows()[0].status == TaskResultStatus.SUCCESSFUL


@on_real_connections
def test_a_worker_ends_with_the_process_that_started_it(
    start_worker: StartWorker,
) -> None:
    assert start_worker("--parent=1").wait(PATIENCE_MS / 1000) == 0


@on_real_connections
def test_two_workers_never_run_the_same_task(
    notes: Path, race: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    for number in range(20):
        note.enqueue(str(notes), text=str(number))

    def drain() -> None:
        while Worker().do_next_task():
            pass

    assert race([drain, drain, drain]) == [None, None, None]
    assert sorted(map(int, notes.read_text().split())) == list(range(20))


@on_real_connections
def test_scheduled_jobs_run_and_one_that_fails_stops_neither_tasks_nor_the_others(
    settings: Any, notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SCHEDULED_JOBS = [
        ("no_such_job", 60, {}),
        ("delete_old_tasks", 60, {}),
    ]
    note.enqueue(str(notes), text="old")
    DBTaskResult.objects.update(
        status=TaskResultStatus.SUCCESSFUL, finished_at=timezone.now() - timezone.timedelta(days=30)
    )
    note.enqueue(str(notes), text="new")
    busy = Worker(is_orphan=notes.exists)
    busy.run()
    assert notes.read_text() == "new\n"
    assert len(rows()) == 1
    assert "no_such_job" in caplog.text


@on_real_connections
def test_the_scheduled_jobs_exist_and_run_in_a_worker(notes: Path, caplog: Any) -> None:
    note.enqueue(str(notes), text="one")
    Worker(is_orphan=notes.exists).run()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("setting", "variable"), [("EMAIL_URL", "EMAIL_URL"), ("DEFAULT_FROM_EMAIL", "MAIL_FROM")]
)
def test_without_a_mail_server_or_sender_the_worker_does_not_start_and_mails_wait(
    settings: Any, setting: str, variable: str
) -> None:
    setattr(settings, setting, "")
    with pytest.raises(CommandError, match=variable):
        call_command("worker")


@pytest.mark.django_db
def test_a_failed_task_is_shown_in_the_back_office_and_its_retry_is_audited(
    office: Client, staff: User, notes: Path
) -> None:
    note.enqueue(str(notes), text="one")
    DBTaskResult.objects.update(
        status=TaskResultStatus.FAILED,
        worker_ids=["gone"] * ATTEMPTS,
        exception_class_path="builtins.OSError",
        finished_at=timezone.now(),
    )
    page = "/admin/django_tasks_database/dbtaskresult/"
    text = office.get(page).content.decode()
    assert "OSError" in text
    assert office.get(f"{page}{rows()[0].pk}/change/").status_code == 200
    assert not Worker().do_next_task()
    office.post(page, {"action": "retry", "_selected_action": [rows()[0].pk]})
    (entry,) = audit.history_of(rows()[0])
    assert (entry.action, entry.actor) == ("task_retried", staff)
    assert (entry.subject_name, entry.facts) == ("tests.jobs.note", {})
    assert Worker().do_next_task()
    assert notes.read_text() == "one\n"


@pytest.mark.django_db
def test_a_finished_task_is_not_retried(office: Client, notes: Path) -> None:
    note.enqueue(str(notes), text="one")
    Worker().do_next_task()
    page = "/admin/django_tasks_database/dbtaskresult/"
    office.post(page, {"action": "retry", "_selected_action": [rows()[0].pk]})
    assert not Worker().do_next_task()
    assert not AuditEntry.objects.exists()


@on_real_connections
def test_the_worker_of_run_site_ends_with_the_site(tmp_path: Path) -> None:
    seat = SeatFactory(status="booked")
    Booking.objects.create(user=UserFactory(), show=seat.show, seat=seat)  # or it would be seeded
    os.mkfifo(tmp_path / "notes")
    notes = os.open(tmp_path / "notes", os.O_RDWR | os.O_NONBLOCK)
    note.enqueue(str(tmp_path / "notes"), text="one")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    site = subprocess.Popen(
        [sys.executable, "manage.py", "run_site", f"--port={port}"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "EMAIL_URL": "dummymail://"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert is_readable(notes)
        children = psutil.Process(site.pid).children()
        # A process that has just ended has no command line.
        commands = {child: child.as_dict(["cmdline"], ad_value=[])["cmdline"] for child in children}
        (worker,) = [child for child, command in commands.items() if "worker" in command]
        site.terminate()
        assert psutil.wait_procs([worker], timeout=PATIENCE_MS / 1000) == ([worker], [])
    finally:
        site.terminate()
        site.wait(timeout=40)
        os.close(notes)
