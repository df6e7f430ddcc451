"""What `manage.py check` and `/readyz` check besides the settings."""

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from booking_site.postgres.replica import REASONS, State, replica_state


def has_static_files() -> bool:
    """Return whether the pages find their static files, which production has to collect."""
    return bool(getattr(staticfiles_storage, "hashed_files", True))


@register(deploy=True)
def static_files_are_collected(**options: Any) -> list[CheckMessage]:
    if has_static_files():
        return []
    message = "The static files are not collected: the back office and the API docs answer 500."
    return [Error(message, hint="Run manage.py collectstatic.", id="booking_site.E001")]


@register(Tags.database)
def replica_is_usable(databases: Any = None, **options: Any) -> list[CheckMessage]:
    """Run by `check --database default` and `migrate`. A warning: the site works without it."""
    if not databases or settings.REPLICA_DATABASE is None:
        return []
    try:
        state = replica_state()
    except DatabaseError as error:
        return [Warning(f"The replica does not respond: {error}", id="booking_site.W001")]
    if state == State.OK:
        return []
    message = f"The replica cannot be used. {REASONS[state]}"
    return [Warning(message, hint="See REPLICA_URL in docs/operations.md.", id="booking_site.W002")]
