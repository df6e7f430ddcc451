"""Renders mails from templates and sends them. Only the worker does this."""

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string


def send_mail(
    *, to: str, subject: str, template: str, facts: Mapping[str, Any], message_id: str = ""
) -> None:
    """Send a mail as text and HTML. Raise OSError if the server does not accept it.

    `template` names a `.txt` and a `.html` file in `templates/mail/`; `facts` is their context.
    `message_id` is the part of the Message-ID before `@`. Some providers deliver two mails with
    the same Message-ID only once.
    """
    subject = " ".join(subject.split())  # a line break would end the header
    context = {**facts, "subject": subject, "site_name": settings.SITE_NAME}
    headers = {"Message-ID": f"<{message_id}@{_domain()}>"} if message_id else {}
    text = render_to_string(f"mail/{template}.txt", context).strip() + "\n"
    message = EmailMultiAlternatives(subject, text, to=[to], headers=headers)
    html = render_to_string(f"mail/{template}.html", context).strip()
    message.attach_alternative(html, "text/html")
    message.send()


def _domain() -> str:
    """Return the domain of the sender's address."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
