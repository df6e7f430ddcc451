"""The process that does what requests leave for later: tasks, and chores of the house.

A task is a row of django-tasks-db, inserted in the transaction it belongs to, so
it exists exactly when its reason does. It is done at least once: whatever raises
is tried again later, and what a killed worker had begun is begun anew by another.
A worker is known to live by an advisory lock of its database session, which
PostgreSQL frees when the process ends, however it ends.
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
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from booking_site.tasks.outbox import ATTEMPTS, outboxes, pause_after

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
RESCUE_SECONDS = 30.0
# The first key of the advisory locks of workers; the second is made of the worker's id.
WORKERS = 7_240_118


class Worker:
    """Works until `stop` is set or `is_orphan` says that nobody wants it any more."""

    def __init__(self, *, is_orphan: Callable[[], bool] = lambda: False) -> None:
        self.stop = Event()
        self._is_orphan = is_orphan
        self._due = dict.fromkeys(range(len(settings.CHORES)), 0.0)
        self._rescue_due = 0.0
        self.id = ""

    def run(self, *, until_empty: bool = False) -> None:
        """Do tasks and chores; with `until_empty`, only the tasks that are due by now."""
        while not self._is_over():
            try:
                with self._signed_in():
                    rescue_tasks()
                    self._work(until_empty=until_empty)
                    return
            except (OperationalError, InterfaceError) as error:
                if self._is_over():  # then the database may well have been stopped, too
                    return
                logger.warning("The worker lost the database: %s", str(error).strip())
                connection.close()
                self.stop.wait(IDLE_SECONDS)

    def do_next(self) -> bool:
        """Send one mail of each outbox and do one task that is due; return whether any was due."""
        return any([*(outbox.send_next() for outbox in outboxes()), self.do_next_task()])

    def do_next_task(self) -> bool:
        """Do one task that is due, if there is any; tell whether there was."""
        with transaction.atomic(durable=True):
            row = DBTaskResult.objects.ready().get_locked()
            if row is None:
                return False
            row.claim(self.id)
        try:
            row.task.call(*row.args_kwargs["args"], **row.args_kwargs["kwargs"])
        except Exception as error:
            _put_off(row, error)
        else:
            _close(row, status=TaskResultStatus.SUCCESSFUL)
        return True

    @contextmanager
    def _signed_in(self) -> Iterator[None]:
        # A new name for each session: what an earlier one left behind is an orphan's.
        self.id = uuid4().hex
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [WORKERS, self.id])
        yield
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [WORKERS, self.id])

    def _work(self, *, until_empty: bool) -> None:
        while not self._is_over():
            if not until_empty:
                self._do_chores()
            if not self.do_next():
                if until_empty:
                    return
                self.stop.wait(IDLE_SECONDS)

    def _is_over(self) -> bool:
        return self.stop.is_set() or self._is_orphan()

    def _do_chores(self) -> None:
        now = time.monotonic()
        if now >= self._rescue_due:
            self._rescue_due = now + RESCUE_SECONDS
            rescue_tasks()
        for index, (command, seconds, options) in enumerate(settings.CHORES):
            if now >= self._due[index]:
                self._due[index] = now + seconds
                _do_chore(command, options)


def rescue_tasks() -> int:
    """Put back what dead workers had begun, and return how many tasks that were.

    A task that has been begun too often fails: it may be what kills the workers.
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
        logger.warning("Tasks that a dead worker had begun are begun anew: %s", rescued)
    return rescued


def _put_off(row: "DBTaskResult[..., Any]", error: Exception) -> None:
    attempts = len(row.worker_ids)
    name = type(error).__qualname__
    outcome: dict[str, Any] = {
        "exception_class_path": f"{type(error).__module__}.{name}",
        # Without the message, in which there may be an e-mail address.
        "traceback": "".join(traceback.format_tb(error.__traceback__)),
    }
    if attempts < ATTEMPTS:
        pause = pause_after(attempts)
        logger.warning("Task %s raised %s; again in %s", row.task_path, name, pause)
        outcome["run_after"] = timezone.now() + pause
        _close(row, status=TaskResultStatus.READY, **outcome)
    else:
        logger.error("Task %s raised %s; given up", row.task_path, name)
        _close(row, status=TaskResultStatus.FAILED, **outcome)


def _close(row: "DBTaskResult[..., Any]", *, status: TaskResultStatus, **outcome: Any) -> None:
    finished = None if status is TaskResultStatus.READY else timezone.now()
    # Only what is still this attempt's: it may be gone, or another worker's by now.
    DBTaskResult.objects.filter(pk=row.pk, worker_ids=row.worker_ids).update(
        status=status, finished_at=finished, **outcome
    )


def _do_chore(command: str, options: dict[str, Any]) -> None:
    try:
        call_command(command, stdout=io.StringIO(), **options)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("The chore %s failed", command)


def has_lost(parent: int) -> bool:
    """Tell whether this process outlives the one that started it."""
    return os.getppid() != parent
