"""Renders mails from templates and sends them. Only the worker does this."""

from collections.abc import Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django_tasks import TaskContext

from booking_site.email_address import canonical_email
from booking_site.tasks.mail_server import mail_server

# Refusals of one mail by a server that works.
REFUSALS = (SMTPSenderRefused, SMTPRecipientsRefused, SMTPDataError)


def send_mail(
    *,
    to: str,
    subject: str,
    template: str,
    facts: Mapping[str, Any],
    message_id: str,
    reply_to: tuple[str, str] = ("", ""),
) -> None:
    """Send a mail as text and HTML, in the active language.

    Raise OSError if the server does not accept it, or ValidationError if the address is invalid.

    `template` names a `.txt` and a `.html` file in `templates/mail/`; `facts` is their context.
    `message_id` is the part of the Message-ID before `@`, the same for every attempt: some
    providers deliver two mails with the same Message-ID only once. Replies go to the name and
    address of `reply_to`; without an address, to the sender.
    """
    subject = _one_line(subject)
    context = {**facts, "subject": subject, "site_name": settings.SITE_NAME}
    name, address = reply_to
    message = EmailMultiAlternatives(
        subject,
        render_to_string(f"mail/{template}.txt", context).strip() + "\n",
        # Django would encode the domain of an address from plain SQL by IDNA 2003.
        to=[canonical_email(to)],
        # Django encodes the name if it is not ASCII, in words of the length that mail allows.
        reply_to=[str(Address(_one_line(name), addr_spec=address))] if address else None,
        headers={
            "Message-ID": f"<{message_id}@{_sender_domain()}>",
            "Content-Language": translation.get_language(),
            # RFC 3834: automatic responders must not reply.
            "Auto-Submitted": "auto-generated",
        },
    )
    html = render_to_string(f"mail/{template}.html", context).strip()
    message.attach_alternative(html, "text/html")
    try:
        message.send()
    except REFUSALS:
        raise
    except OSError:
        mail_server.failed()
        raise
    mail_server.succeeded()


def message_id_of(context: TaskContext) -> str:
    """Return the `message_id` of the mail that the task sends.

    It is short, because a longer header would begin with an empty line.
    """
    return UUID(context.task_result.id).hex


def _one_line(text: str) -> str:
    """Return the text without line breaks, which would end a header."""
    return " ".join(text.split())


def _sender_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
