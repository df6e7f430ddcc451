"""Outboxes of mails that are not tasks, and how long the worker waits after a failure."""

from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from smtplib import SMTPRecipientsRefused
from typing import Protocol, cast

from django.conf import settings

# The pauses after the first failed attempts; the last one is also the pause after all others.
PAUSES = [timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15)]
# So the last attempt is 14 hours after the first.
ATTEMPTS = 60
# If the server refuses the recipient permanently: the last attempt is 6 minutes after the first.
ATTEMPTS_IF_REFUSED = 4
# SMTP's codes from here on are permanent errors.
PERMANENT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many mails wait or were given up, and the age of the oldest that waits."""

    waiting: int
    given_up: int
    age: timedelta | None

    @property
    def seconds(self) -> float:
        return self.age.total_seconds() if self.age else 0.0


class Outbox(Protocol):
    """A module listed in OUTBOXES. A table of its app records which mails are due."""

    def send_next(self) -> bool:
        """Send the mail that has been due for longest; return whether any was due."""

    def backlog(self) -> Backlog:
        """Return what has not been sent. A failed attempt changes nothing about its age."""

    def retry_now(self) -> int:
        """Make the mails due that wait for another attempt, and return their number.

        Leave those to a worker that is sending them.
        """


def outboxes() -> list[Outbox]:
    return [cast(Outbox, import_module(name)) for name in settings.OUTBOXES]


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failed attempts."""
    return PAUSES[min(attempts, len(PAUSES)) - 1]


def is_given_up(error: Exception, attempts: int) -> bool:
    """Return whether the attempt that raised the error was the last one."""
    refused = isinstance(error, SMTPRecipientsRefused) and all(
        code >= PERMANENT for code, _ in error.recipients.values()
    )
    return attempts >= (ATTEMPTS_IF_REFUSED if refused else ATTEMPTS)
