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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, InternalError, OperationalError, connection
from django_tasks import TaskContext
from django_tasks.base import TASK_MIN_PRIORITY

from booking_site.postgres.backups import is_rehearsal
from booking_site.tasks import queue
from booking_site.tasks.mail_server import mail_server
from booking_site.tasks.outbox import ATTEMPTS, outboxes

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
RESCUE_SECONDS = 30.0
# How often a task without a recorded failure is started: it may be what kills the workers.
STARTS = 8
# The first key of the workers' advisory locks; the second is the hash of the worker's id.
WORKERS = 7_240_118


class RehearsalDatabase(Exception):
    """A rehearsal of a restore has filled the database, so its mails were sent before."""


class Worker:
    """Works until `stop` is set or `is_orphan` returns True."""

    def __init__(self, *, is_orphan: Callable[[], bool] = lambda: False) -> None:
        self.stop = Event()
        self._is_orphan = is_orphan
        self._due = dict.fromkeys(range(len(settings.SCHEDULED_JOBS)), 0.0)
        self._rescue_due = 0.0
        self._has_database = True
        self.id = ""
        mail_server.reset()

    def run(self, *, until_empty: bool = False) -> None:
        """Run tasks and scheduled jobs; with `until_empty`, only the tasks that are due now.

        After any error of the database outside a task, the worker connects again until it succeeds.
        Raise `RehearsalDatabase` on the copy of a rehearsal.
        """
        while not self._is_over():
            try:
                if is_rehearsal():
                    raise RehearsalDatabase
                with self._registered():
                    rescue_tasks()
                    self._work(until_empty=until_empty)
                    return
            except DatabaseFailure as error:
                if self._is_over():  # the database may have been stopped along with the worker
                    return
                if self._has_database:  # one line per outage
                    logger.warning("The worker lost the database: %s", str(error).strip())
                self._has_database = False
                connection.close()
                self.stop.wait(IDLE_SECONDS)

    def do_next(self) -> bool:
        """Run one urgent task, or else send one mail of each outbox and run one other task.

        While the mail server is avoided, only urgent tasks run. Return whether anything was due.
        """
        if self.do_next_task(min_priority=queue.BEFORE_MAILS):
            return True
        was_due = False
        for do_next in (*(outbox.send_next for outbox in outboxes()), self.do_next_task):
            if not mail_server.is_avoided():
                was_due |= do_next()
        if mail_server.take_recovery():
            queue.retry_now()
        return was_due

    def do_next_task(self, *, min_priority: int = TASK_MIN_PRIORITY) -> bool:
        """Run one task that is due; return whether there was any."""
        row = queue.claim_next(self.id, min_priority=min_priority)
        if row is None:
            return False
        try:
            task, arguments = row.task, row.args_kwargs
            # Any: mypy takes the library's class for one of Django 6.
            result: Any = row.task_result
            context = [TaskContext(task_result=result)] if task.takes_context else []
            task.call(*context, *arguments["args"], **arguments["kwargs"])
        except Exception as error:
            queue.record_failure(row, error)
        else:
            queue.record_success(row)
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
            was_due = self.do_next()
            if not self._has_database:
                logger.warning("The worker is connected to the database again.")
                self._has_database = True
            if not was_due:
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

    A task that was started too often fails instead.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE django_tasks_database_dbtaskresult AS task
               SET (status, finished_at) = (
                   SELECT CASE WHEN may_start THEN 'READY' ELSE 'FAILED' END,
                          CASE WHEN may_start THEN NULL ELSE now() END
                     FROM (SELECT jsonb_array_length(task.worker_ids)
                                  < CASE task.exception_class_path WHEN '' THEN %s ELSE %s END
                                  AS may_start) AS starts)
             WHERE status = 'RUNNING'
               AND NOT EXISTS (
                   SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND granted AND objsubid = 2
                      AND database = (SELECT oid FROM pg_database
                                       WHERE datname = current_database())
                      AND classid = %s::int::oid
                      AND objid = hashtext(task.worker_ids ->> -1)::oid)
            """,
            [STARTS, ATTEMPTS, WORKERS],
        )
        rescued: int = cursor.rowcount
    if rescued:
        logger.warning("Retrying tasks of dead workers: %s", rescued)
    return rescued


def _run_scheduled_job(command: str, options: dict[str, Any]) -> None:
    try:
        call_command(command, stdout=io.StringIO(), **options)
    except (OperationalError, InterfaceError, InternalError):  # not a fault of the job
        raise
    except Exception:
        logger.exception("The scheduled job %s failed", command)


def parent_has_ended(parent: int) -> bool:
    """Return whether the process that started this one has ended."""
    return os.getppid() != parent
