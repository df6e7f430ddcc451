"""How a mail is made of templates and handed to the server; only the worker does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """`template` names a pair of `templates/mail/`: `.txt` and `.html`; both get the facts.

    `message_id` is the part of the Message-ID before `@`. A mail that is sent twice with the
    same one reaches the reader once, if the reader's provider compares them.
    """

    to: str
    subject: str
    template: str
    facts: Mapping[str, Any]
    message_id: str = ""


def send(mail: Mail) -> None:
    """Send the mail as text and HTML. Raise OSError when the server does not take it."""
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
