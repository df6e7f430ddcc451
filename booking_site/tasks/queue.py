"""The queue of tasks, by PostgreSQL's clock; the library compares with the clock of the process."""

import logging
import traceback
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Now
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult, get_date_max

from booking_site.tasks.outbox import Backlog, is_given_up, outboxes, pause_after

logger = logging.getLogger(__name__)

# The priority of tasks that run before mails, and also while the mail server is down.
BEFORE_MAILS = 10
# The library's value of `run_after` for "at once".
AT_ONCE = get_date_max()
# For how long finished and failed tasks stay in the queue.
FINISHED_DAYS, FAILED_DAYS = 1, 30


def claim_next(worker_id: str, *, min_priority: int) -> "DBTaskResult[..., Any] | None":
    """Start the first task that is due, and return its row; None if no task is due."""
    due = Q(run_after=AT_ONCE) | Q(run_after__lte=Now())
    with transaction.atomic(durable=True):
        rows = DBTaskResult.objects.filter(due, status=TaskResultStatus.READY)
        row = rows.filter(priority__gte=min_priority).get_locked()
        if row is not None:
            row.status = TaskResultStatus.RUNNING
            row.worker_ids = [*row.worker_ids, worker_id]
            DBTaskResult.objects.filter(pk=row.pk).update(
                status=row.status, worker_ids=row.worker_ids, started_at=Now()
            )
        return row


def record_success(row: "DBTaskResult[..., Any]") -> None:
    _this_attempt(row).update(status=TaskResultStatus.SUCCESSFUL, finished_at=Now())


def record_failure(row: "DBTaskResult[..., Any]", error: Exception) -> None:
    attempts, name = len(row.worker_ids), type(error).__qualname__
    outcome: dict[str, Any] = {
        "exception_class_path": f"{type(error).__module__}.{name}",
        # Without the message, which may contain an e-mail address.
        "traceback": "".join(traceback.format_tb(error.__traceback__)),
    }
    if is_given_up(error, attempts):
        logger.error("Task %s raised %s; given up", row.task_path, name)
        outcome |= {"status": TaskResultStatus.FAILED, "finished_at": Now()}
    else:
        pause = pause_after(attempts)
        logger.warning("Task %s raised %s; retrying in %s", row.task_path, name, pause)
        outcome |= {"status": TaskResultStatus.READY, "run_after": Now() + pause}
    _this_attempt(row).update(**outcome)


def _this_attempt(row: "DBTaskResult[..., Any]") -> "QuerySet[DBTaskResult[..., Any]]":
    """Return the row, unless it was deleted or another worker has taken it."""
    return DBTaskResult.objects.filter(pk=row.pk, worker_ids=row.worker_ids)


def backlogs() -> list[Backlog]:
    """Return what has not been done yet of the queue and of each outbox."""
    return [_backlog(), *(outbox.backlog() for outbox in outboxes())]


def retry_now() -> int:
    """Make all tasks and mails due that wait for another attempt, and return their number."""
    waiting = DBTaskResult.objects.filter(
        status=TaskResultStatus.READY, run_after__gt=Now(), run_after__lt=AT_ONCE
    )
    with transaction.atomic():
        locked = waiting.order_by("pk").select_for_update(skip_locked=True)
        ids = list(locked.values_list("pk", flat=True))
        tasks = DBTaskResult.objects.filter(pk__in=ids).update(run_after=Now())
    return tasks + sum(outbox.retry_now() for outbox in outboxes())


def _backlog() -> Backlog:
    """Return what the queue has not done yet. A task is due from the moment it is enqueued."""
    failed = Q(status=TaskResultStatus.FAILED)
    found = DBTaskResult.objects.exclude(status=TaskResultStatus.SUCCESSFUL).aggregate(
        waiting=Count("pk", filter=~failed),
        given_up=Count("pk", filter=failed),
        age=Now() - Min("enqueued_at", filter=~failed),
    )
    return Backlog(**found)


def delete_old_tasks() -> int:
    """Delete tasks that finished or failed long ago, and return their number."""
    old = Q(pk__in=[])
    for status, days in (
        (TaskResultStatus.SUCCESSFUL, FINISHED_DAYS),
        (TaskResultStatus.FAILED, FAILED_DAYS),
    ):
        old |= Q(status=status, finished_at__lt=Now() - timedelta(days=days))
    return DBTaskResult.objects.filter(old).delete()[0]
