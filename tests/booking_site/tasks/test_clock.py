"""Only PostgreSQL's clock decides about tasks: the worker's is wrong in these tests."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from benchmarks.servers import wait_until
from benchmarks.stampede.servers import SKEWED_CLOCK
from booking_site.tasks.outbox import ATTEMPTS, PAUSES
from tests.booking_site.tasks.conftest import StartWorker
from tests.jobs import fail, note
from tests.web import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3600
DAY = 24 * HOUR
FINISHED = (TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED)


def end(process: subprocess.Popen[str]) -> None:
    assert process.wait(60) == 0


def enqueue(notes: Path, text: str, **values: Any) -> None:
    task = note.enqueue(str(notes), text=text)
    DBTaskResult.objects.filter(pk=task.id).update(**values)


def texts() -> set[str]:
    return {row.args_kwargs["kwargs"]["text"] for row in DBTaskResult.objects.all()}


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_a_task_runs_when_it_is_due_for_postgresql(
    start_worker: StartWorker, notes: Path, skew: int
) -> None:
    enqueue(notes, "due", run_after=Now() - timedelta(minutes=1))
    enqueue(notes, "later", run_after=Now() + timedelta(minutes=30))
    end(start_worker("--until-empty", skew=skew))
    assert notes.read_text() == "due\n"
    (row,) = DBTaskResult.objects.filter(
        started_at__gt=Now() - timedelta(minutes=5),
        started_at__lt=Now(),
        finished_at__gt=F("started_at"),
        finished_at__lt=Now(),
    )
    assert row.args_kwargs["kwargs"]["text"] == "due"


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_a_failed_task_is_retried_after_its_pause(start_worker: StartWorker, skew: int) -> None:
    fail.enqueue("lena@example.com")
    end(start_worker("--until-empty", skew=skew))
    assert DBTaskResult.objects.filter(
        status=TaskResultStatus.READY,
        run_after__gt=Now() - timedelta(minutes=5),
        run_after__lte=Now() + PAUSES[0],
    ).exists()


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_a_task_is_given_up_at_the_time_of_postgresql(start_worker: StartWorker, skew: int) -> None:
    fail.enqueue("lena@example.com")
    DBTaskResult.objects.update(worker_ids=["gone"] * (ATTEMPTS - 1))
    end(start_worker("--until-empty", skew=skew))
    assert DBTaskResult.objects.filter(
        status=TaskResultStatus.FAILED,
        finished_at__gt=Now() - timedelta(minutes=5),
        finished_at__lt=Now(),
    ).exists()


@pytest.mark.parametrize("skew", [-40 * DAY, 40 * DAY])
def test_old_tasks_are_deleted_by_their_age_in_postgresql(
    start_worker: StartWorker, notes: Path, skew: int
) -> None:
    for days, old in ((0.9, {}), (2, {"SUCCESSFUL"}), (29, {"SUCCESSFUL"}), (31, set(FINISHED))):
        for status in FINISHED:
            text = "old" if status in old else "recent"
            enqueue(
                notes, f"{text} {status}", status=status, finished_at=Now() - timedelta(days=days)
            )
    enqueue(notes, "done")
    start_worker(skew=skew)
    # Scheduled jobs, such as deleting old tasks, precede the first task.
    wait_until(notes.exists, what="The worker")
    assert texts() == {"recent SUCCESSFUL", "recent FAILED", "done"}


def test_a_task_is_enqueued_at_the_time_of_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_tasks_database_dbtaskresult"
            " (id, status, priority, task_path, queue_name, backend_name, args_kwargs,"
            " enqueued_at, run_after, worker_ids, exception_class_path, traceback)"
            " VALUES (gen_random_uuid(), 'READY', 0, 'tests.jobs.note', 'default', 'default',"
            " '{\"args\": [], \"kwargs\": {}}', '1999-01-01', now(), '[]', '', '')"
        )
    assert DBTaskResult.objects.filter(enqueued_at__gt=Now() - timedelta(minutes=5)).exists()


REQUESTS = """
import django
django.setup()
from rest_framework.test import APIClient
for _ in range(6):
    answer = APIClient().post("/api/auth/password/reset", {"email": "lena@example.com"}, "json")
print(answer.status_code)
"""


@pytest.mark.parametrize("skew", [0, 2 * HOUR])
def test_mails_to_one_address_are_limited_by_their_age_in_postgresql(skew: int) -> None:
    clock = {"PYTHONPATH": f"{SKEWED_CLOCK}:{ROOT}", "CLOCK_SKEW_SECONDS": str(skew)}
    settings = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "booking_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", REQUESTS],
        env={**os.environ, **settings, **clock, "THROTTLE_MAIL": "5/hour"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == "429\n"
    assert DBTaskResult.objects.count() == 5
