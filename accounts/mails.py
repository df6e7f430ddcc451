"""E-mails about an account, sent by tasks that are enqueued in the transaction of the change.

The task creates the link, so that no link is stored in the queue.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django_tasks import TaskContext, task
from django_tasks_db.models import DBTaskResult

from accounts.links import confirmation_link, reset_link
from accounts.models import User
from booking_site.tasks.email import message_id_of, send_mail


@task(takes_context=True)
def send_confirmation(context: TaskContext, user_id: int) -> None:
    """Send the link that confirms the address, unless it has been confirmed meanwhile."""
    user = User.objects.filter(pk=user_id, is_active=True, email_confirmed_at=None).first()
    if user is not None:
        _send(
            user,
            "Please confirm your e-mail address",
            "confirm_email",
            confirmation_link(user),
            message_id_of(context),
        )


@task(takes_context=True)
def send_password_reset(context: TaskContext, email: str) -> None:
    """Send the link for a new password, if the account exists."""
    user = User.objects.filter(email=email, is_active=True).first()
    if user is not None:
        _send(
            user,
            "Set a new password",
            "reset_password",
            reset_link(user),
            message_id_of(context),
        )


def mails_about(user: User) -> "QuerySet[DBTaskResult[..., Any]]":
    """Return the tasks of e-mails to the user that the queue still has, sent or not."""
    return DBTaskResult.objects.filter(
        Q(args_kwargs__kwargs__user_id=user.pk) | Q(args_kwargs__kwargs__email=user.email)
    ).order_by("enqueued_at")


def mails_as_json(mails: "Iterable[DBTaskResult[..., Any]]") -> list[dict[str, Any]]:
    """Return the e-mails for an export: the kind, when requested, when sent."""
    return [
        {
            "mail": row.task_path.rpartition(".")[2],
            "asked_for_at": row.enqueued_at,
            "sent_at": row.finished_at,
        }
        for row in mails
    ]


def request_times(recipient: dict[str, object], *, since: datetime) -> "QuerySet[Any, datetime]":
    """Return when e-mails to the recipient, named by a task's arguments, were requested."""
    tasks = DBTaskResult.objects.filter(args_kwargs__kwargs=recipient, enqueued_at__gt=since)
    return tasks.values_list("enqueued_at", flat=True)


def _send(user: User, subject: str, template: str, link: str, message_id: str) -> None:
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    facts = {"name": user.name, "link": link, "hours": hours}
    send_mail(to=user.email, subject=subject, template=template, facts=facts, message_id=message_id)
