"""Outboxes of mails that are not tasks, and how long the worker waits after a failure."""

from datetime import timedelta
from importlib import import_module
from typing import Protocol, cast

from django.conf import settings

ATTEMPTS = 8
# Each pause is four times the previous one, so the last attempt is most of a day after the first.
FIRST_PAUSE = timedelta(seconds=10)


class Outbox(Protocol):
    """A module listed in OUTBOXES. A table of its app records which mails are due."""

    def send_next(self) -> bool:
        """Send the mail that has been due for longest; return whether any was due."""

    def seconds_overdue(self) -> float:
        """Return for how long the oldest mail has been due; 0 without one."""


def outboxes() -> list[Outbox]:
    return [cast(Outbox, import_module(name)) for name in settings.OUTBOXES]


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failed attempts."""
    pause: timedelta = FIRST_PAUSE * 4 ** (attempts - 1)
    return pause
