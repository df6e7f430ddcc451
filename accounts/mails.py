"""The mails about an account, as tasks: enqueued in the transaction they belong to.

Links are made when the mail is, so that none waits in the queue for others to read.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from accounts.links import confirmation_link, reset_link
from accounts.models import User
from booking_site.tasks.email import Mail, send


@task
def send_confirmation(user_id: int) -> None:
    """Ask for a click that proves the address, unless that has happened by now."""
    user = User.objects.filter(pk=user_id, is_active=True, email_confirmed_at=None).first()
    if user is not None:
        _send(
            user,
            subject="Please confirm your e-mail address",
            template="confirm_email",
            link=confirmation_link(user),
        )


@task
def send_password_reset(email: str) -> None:
    """Send the link that sets a new password, if there is such an account."""
    user = User.objects.filter(email=email, is_active=True).first()
    if user is not None:
        _send(
            user,
            subject="Set a new password",
            template="reset_password",
            link=reset_link(user),
        )


def mails_about(user: User) -> "QuerySet[DBTaskResult[..., Any]]":
    """Return what the queue still has about the person, sent or not."""
    return DBTaskResult.objects.filter(
        Q(args_kwargs__kwargs__user_id=user.pk) | Q(args_kwargs__kwargs__email=user.email)
    ).order_by("enqueued_at")


def mails_as_json(mails: "Iterable[DBTaskResult[..., Any]]") -> list[dict[str, Any]]:
    """Return what an export says of mails in the queue: which, when asked for, when sent."""
    return [
        {
            "mail": row.task_path.rpartition(".")[2],
            "asked_for_at": row.enqueued_at,
            "sent_at": row.finished_at,
        }
        for row in mails
    ]


def request_times(recipient: dict[str, object], *, since: datetime) -> "QuerySet[Any, datetime]":
    """Return when mails about the account of the recipient were asked for, as tasks name both."""
    asked = DBTaskResult.objects.filter(args_kwargs__kwargs=recipient, enqueued_at__gt=since)
    return asked.values_list("enqueued_at", flat=True)


def _send(user: User, *, subject: str, template: str, link: str) -> None:
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    facts = {"name": user.name, "link": link, "hours": hours}
    send(Mail(to=user.email, subject=subject, template=template, facts=facts))
