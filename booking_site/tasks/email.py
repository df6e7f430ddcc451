"""Renders mails from templates and sends them. Only the worker does this."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """`template` names a `.txt` and a `.html` file in `templates/mail/`; `facts` is their context.

    `message_id` is the part of the Message-ID before `@`. Some providers deliver two mails with
    the same Message-ID only once.
    """

    to: str
    subject: str
    template: str
    facts: Mapping[str, Any]
    message_id: str = ""


def send(mail: Mail) -> None:
    """Send the mail as text and HTML. Raise OSError if the server does not accept it."""
    subject = " ".join(mail.subject.split())  # a line break would end the header
    context = {**mail.facts, "subject": subject, "site_name": settings.SITE_NAME}
    headers = {"Message-ID": f"<{mail.message_id}@{_domain()}>"} if mail.message_id else {}
    message = EmailMultiAlternatives(
        subject,
        render_to_string(f"mail/{mail.template}.txt", context).strip() + "\n",
        to=[mail.to],
        headers=headers,
    )
    message.attach_alternative(
        render_to_string(f"mail/{mail.template}.html", context).strip(), "text/html"
    )
    message.send()


def _domain() -> str:
    """Return the domain of the sender's address."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
