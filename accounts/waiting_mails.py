"""E-mails and tasks that wait for the worker, for the pages that report them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils.timesince import timesince
from django_tasks_db.models import DBTaskResult

from accounts import audit
from accounts.models import User
from booking_site.tasks import queue

# A worker sends a mail within seconds.
REPORTED_AFTER = timedelta(minutes=1)
MAY_VIEW = "django_tasks_database.view_dbtaskresult"
MAY_SEND = "django_tasks_database.change_dbtaskresult"


def waiting_mails(user: User) -> dict[str, Any] | None:
    """Return the context of `admin/accounts/waiting_mails.html`: `count`, `age` and `may_send`.

    None if nothing is late, or if the user may not view tasks.
    """
    if not user.has_perm(MAY_VIEW):
        return None
    backlogs = queue.backlogs()
    age = max((backlog.age for backlog in backlogs if backlog.age), default=timedelta())
    if age < REPORTED_AFTER:
        return None
    begin = datetime.min.replace(tzinfo=UTC)
    return {
        "count": sum(backlog.waiting for backlog in backlogs),
        "age": timesince(begin, begin + age),
        "may_send": user.has_perm(MAY_SEND),
    }


def send_now(*, actor: User) -> int:
    """Make all mails due that wait for another attempt, and return their number."""
    with transaction.atomic(durable=True):
        count = queue.retry_now()
        audit.record(
            actor=actor,
            action="waiting_mails_sent",
            subject=ContentType.objects.get_for_model(DBTaskResult),
            subject_name="Waiting e-mails",
            mails=count,
        )
    return count
