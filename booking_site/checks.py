"""What `manage.py check --deploy` and `/readyz` check besides the settings."""

from typing import Any

from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, register


def has_static_files() -> bool:
    """Return whether the pages find their static files, which production has to collect."""
    return bool(getattr(staticfiles_storage, "hashed_files", True))


@register(deploy=True)
def static_files_are_collected(**options: Any) -> list[CheckMessage]:
    if has_static_files():
        return []
    message = "The static files are not collected: the back office and the API docs answer 500."
    return [Error(message, hint="Run manage.py collectstatic.", id="booking_site.E001")]
