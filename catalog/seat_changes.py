"""Publishes which shows have changed seats, so that the live process sends them to its listeners.

Best effort: a lost message delays listeners by some seconds at most, because the live process also
reads each map regularly (docs/decisions/0028-live-seats.md).
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.db import transaction
from django_redis import get_redis_connection
from redis.exceptions import RedisError

CHANNEL = "seat-changes"


def seats_events_url(show_id: int) -> str | None:
    """Return the address of the show's live seats; None if LIVE_URL is not set."""
    return f"{settings.LIVE_URL}/api/shows/{show_id}/seats/events" if settings.LIVE_URL else None


def publish_seat_changes(show_ids: Iterable[int]) -> None:
    """Publish the ids after COMMIT, if there is a live process. Each write of seats calls this."""
    if settings.LIVE_URL and (ids := sorted(set(show_ids))):
        transaction.on_commit(partial(_publish, ids))


def publish_command(show_id: int) -> tuple[str, str, int]:
    """Return the command that publishes the id."""
    return "PUBLISH", CHANNEL, show_id


def _publish(show_ids: list[int]) -> None:
    with suppress(RedisError):
        get_redis_connection("default").execute_commands(*map(publish_command, show_ids))
