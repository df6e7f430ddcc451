"""E-mails about an account, sent by tasks that are enqueued in the transaction of the change.

The task creates the link, so that the queue stores none. These e-mails contain no name, because the
address may be a stranger's, and whoever registered it chose the name.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django_tasks import TaskContext, task
from django_tasks_db.models import DBTaskResult

from accounts.links import confirmation_link, reset_link
from accounts.models import User
from booking_site.languages import Sentence
from booking_site.tasks.email import message_id_of, send_mail


class Notice(NamedTuple):
    """What has changed about an account, for its owner."""

    subject: Sentence
    sentence: Sentence


NOTICES = {
    "password": Notice(
        _("Your password was changed"), _("The password of your account was changed.")
    ),
    "email": Notice(
        _("Your e-mail address was changed"),
        _("The e-mail address of your account was changed."),
    ),
    "second_factor_added": Notice(
        _("Two-factor authentication was turned on"),
        _("Logging in to the back office now needs a code from an authenticator app."),
    ),
    "second_factor_removed": Notice(
        _("Two-factor authentication was turned off"),
        _("Logging in to the back office no longer needs a code from an authenticator app."),
    ),
    "guesses": Notice(
        _("Many failed logins to your account"),
        _(
            "There were many failed logins to your account. You can log in as usual where you have "
            "logged in before. Elsewhere you may have to try several times."
        ),
    ),
}


def notify_owner(user: User, change: str, *, former_email: str | None = None) -> None:
    """Enqueue an e-mail about one of `NOTICES`, within the transaction of the change.

    It goes to the user's address, and to the former one if that was changed.
    """
    for email in filter(None, (former_email, user.mail_address)):
        send_notice.enqueue(user_id=user.pk, email=email, change=change)


@task(takes_context=True)
def send_notice(context: TaskContext, user_id: int, email: str, change: str) -> None:
    """Report a change of the account to this address, without a link."""
    user = User.objects.filter(pk=user_id).first()
    if user is None or user.is_removed:
        return
    notice = NOTICES[change]
    with translation.override(user.language):
        send_mail(
            to=email,
            subject=str(notice.subject),
            template="notice",
            facts={"sentence": notice.sentence, "is_former": email != user.mail_address},
            message_id=message_id_of(context),
        )


@task(takes_context=True)
def send_confirmation(context: TaskContext, user_id: int) -> None:
    """Send the link that confirms the address, unless it has been confirmed meanwhile."""
    user = User.objects.filter(pk=user_id, is_active=True, email_confirmed_at=None).first()
    if user is not None:
        _send(
            user,
            _("Please confirm your e-mail address"),
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
            _("Set a new password"),
            "reset_password",
            reset_link(user),
            message_id_of(context),
        )


def emails_of(user: User) -> set[str]:
    """Return the user's address, and former ones that notices in the queue name.

    Former addresses that another account has now are left out.
    """
    notices = DBTaskResult.objects.filter(args_kwargs__kwargs__user_id=user.pk)
    emails = set(notices.values_list("args_kwargs__kwargs__email", flat=True)) - {None}
    others = User.objects.filter(email__in=emails).exclude(pk=user.pk)
    return {user.email} | emails.difference(others.values_list("email", flat=True))


def mails_about(user: User) -> "QuerySet[DBTaskResult[..., Any]]":
    """Return the tasks of e-mails to the user that the queue still has, sent or not."""
    # A notice names a user and an address, which may be another user's today.
    without_user = Q(args_kwargs__kwargs__user_id__isnull=True)
    return DBTaskResult.objects.filter(
        Q(args_kwargs__kwargs__user_id=user.pk)
        | without_user & Q(args_kwargs__kwargs__email__in=emails_of(user))
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


def mails_to(recipient: dict[str, object]) -> "QuerySet[DBTaskResult[..., Any]]":
    """Return the tasks of e-mails whose only arguments are these, e.g. `{"user_id": 5}`."""
    # Each argument alone, too, because each index has one.
    each = {f"args_kwargs__kwargs__{name}": value for name, value in recipient.items()}
    return DBTaskResult.objects.filter(args_kwargs__kwargs=recipient, **each)


def notices(user_id: int, change: str) -> "QuerySet[DBTaskResult[..., Any]]":
    """Return the tasks of notices of this change to the user."""
    return DBTaskResult.objects.filter(
        args_kwargs__kwargs__user_id=user_id, args_kwargs__kwargs__change=change
    )


def request_ages(
    mails: "QuerySet[DBTaskResult[..., Any]]", *, within: timedelta
) -> "QuerySet[Any, timedelta]":
    """Return how long ago these e-mails were requested, the latest first."""
    recent = mails.filter(enqueued_at__gt=Now() - within).order_by("-enqueued_at")
    return recent.values_list(Now() - F("enqueued_at"), flat=True)


def _send(user: User, subject: Sentence, template: str, link: str, message_id: str) -> None:
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    facts = {"link": link, "hours": hours}
    with translation.override(user.language):
        send_mail(
            to=user.email,
            subject=str(subject),
            template=template,
            facts=facts,
            message_id=message_id,
        )
