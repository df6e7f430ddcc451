"""The worker process, which runs tasks and scheduled jobs.

A task is a row of django-tasks-db, inserted in the transaction it belongs to, so it exists
exactly if that transaction was committed. It runs at least once: a task that raises is
retried later, and another worker retries the task of a killed one. While a worker runs, its
database session holds an advisory lock, which PostgreSQL releases when the process ends.
"""

import io
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django_tasks import TaskContext, TaskResultStatus
from django_tasks_db.models import DBTaskResult

from booking_site.tasks.outbox import ATTEMPTS, outboxes, pause_after

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
RESCUE_SECONDS = 30.0
# The first key of the workers' advisory locks; the second is the hash of the worker's id.
WORKERS = 7_240_118


class Worker:
    """Works until `stop` is set or `is_orphan` returns True."""

    def __init__(self, *, is_orphan: Callable[[], bool] = lambda: False) -> None:
        self.stop = Event()
        self._is_orphan = is_orphan
        self._due = dict.fromkeys(range(len(settings.SCHEDULED_JOBS)), 0.0)
        self._rescue_due = 0.0
        self.id = ""

    def run(self, *, until_empty: bool = False) -> None:
        """Run tasks and scheduled jobs; with `until_empty`, only the tasks that are due now."""
        while not self._is_over():
            try:
                with self._registered():
                    rescue_tasks()
                    self._work(until_empty=until_empty)
                    return
            except (OperationalError, InterfaceError) as error:
                if self._is_over():  # the database may have been stopped along with the worker
                    return
                logger.warning("The worker lost the database: %s", str(error).strip())
                connection.close()
                self.stop.wait(IDLE_SECONDS)

    def do_next(self) -> bool:
        """Send one mail of each outbox and run one task; return whether any was due."""
        return any([*(outbox.send_next() for outbox in outboxes()), self.do_next_task()])

    def do_next_task(self) -> bool:
        """Run one task that is due; return whether there was any."""
        with transaction.atomic(durable=True):
            row = DBTaskResult.objects.ready().get_locked()
            if row is None:
                return False
            row.claim(self.id)
        try:
            task, arguments = row.task, row.args_kwargs
            # Any: mypy takes the library's class for one of Django 6.
            result: Any = row.task_result
            context = [TaskContext(task_result=result)] if task.takes_context else []
            task.call(*context, *arguments["args"], **arguments["kwargs"])
        except Exception as error:
            _record_failure(row, error)
        else:
            _close(row, status=TaskResultStatus.SUCCESSFUL)
        return True

    @contextmanager
    def _registered(self) -> Iterator[None]:
        # A new id for each session, so that unfinished tasks of an earlier one are rescued.
        self.id = uuid4().hex
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [WORKERS, self.id])
        yield
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [WORKERS, self.id])

    def _work(self, *, until_empty: bool) -> None:
        while not self._is_over():
            if not until_empty:
                self._run_scheduled_jobs()
            if not self.do_next():
                if until_empty:
                    return
                self.stop.wait(IDLE_SECONDS)

    def _is_over(self) -> bool:
        return self.stop.is_set() or self._is_orphan()

    def _run_scheduled_jobs(self) -> None:
        now = time.monotonic()
        if now >= self._rescue_due:
            self._rescue_due = now + RESCUE_SECONDS
            rescue_tasks()
        for index, (command, seconds, options) in enumerate(settings.SCHEDULED_JOBS):
            if now >= self._due[index]:
                self._due[index] = now + seconds
                _run_scheduled_job(command, options)


def rescue_tasks() -> int:
    """Put the unfinished tasks of dead workers back into the queue, and return their number.

    A task that was started too often fails instead: it may be what kills the workers.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE django_tasks_database_dbtaskresult AS task
               SET status = CASE WHEN jsonb_array_length(worker_ids) < %s
                                 THEN 'READY' ELSE 'FAILED' END,
                   finished_at = CASE WHEN jsonb_array_length(worker_ids) < %s
                                      THEN NULL ELSE now() END
             WHERE status = 'RUNNING'
               AND NOT EXISTS (
                   SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND granted AND objsubid = 2
                      AND database = (SELECT oid FROM pg_database
                                       WHERE datname = current_database())
                      AND classid = %s::int::oid
                      AND objid = hashtext(task.worker_ids ->> -1)::oid)
            """,
            [ATTEMPTS, ATTEMPTS, WORKERS],
        )
        rescued: int = cursor.rowcount
    if rescued:
        logger.warning("Retrying tasks of dead workers: %s", rescued)
    return rescued


def _record_failure(row: "DBTaskResult[..., Any]", error: Exception) -> None:
    attempts = len(row.worker_ids)
    name = type(error).__qualname__
    outcome: dict[str, Any] = {
        "exception_class_path": f"{type(error).__module__}.{name}",
        # Without the message, which may contain an e-mail address.
        "traceback": "".join(traceback.format_tb(error.__traceback__)),
    }
    if attempts < ATTEMPTS:
        pause = pause_after(attempts)
        logger.warning("Task %s raised %s; retrying in %s", row.task_path, name, pause)
        outcome["run_after"] = timezone.now() + pause
        _close(row, status=TaskResultStatus.READY, **outcome)
    else:
        logger.error("Task %s raised %s; given up", row.task_path, name)
        _close(row, status=TaskResultStatus.FAILED, **outcome)


def _close(row: "DBTaskResult[..., Any]", *, status: TaskResultStatus, **outcome: Any) -> None:
    finished = None if status is TaskResultStatus.READY else timezone.now()
    # Only this attempt: the row may have been deleted, or another worker may have taken it.
    DBTaskResult.objects.filter(pk=row.pk, worker_ids=row.worker_ids).update(
        status=status, finished_at=finished, **outcome
    )


def _run_scheduled_job(command: str, options: dict[str, Any]) -> None:
    try:
        call_command(command, stdout=io.StringIO(), **options)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("The scheduled job %s failed", command)


def parent_has_ended(parent: int) -> bool:
    """Return whether the process that started this one has ended."""
    return os.getppid() != parent
