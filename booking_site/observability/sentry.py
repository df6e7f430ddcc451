"""Reports unhandled errors to Sentry. Imported only if SENTRY_DSN is set."""

import sentry_sdk
from sentry_sdk.types import Event, Hint

from booking_site.observability.logging import without_row_data

_REPORTED_OF_REQUEST = {"method"}


def start(*, dsn: str) -> None:
    """Report errors from now on, without personal data or secrets."""
    sentry_sdk.init(
        dsn=dsn,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_without_secrets,
    )


def _without_secrets(event: Event, hint: Hint) -> Event:
    request = event.get("request", {})
    for name in set(request) - _REPORTED_OF_REQUEST:
        del request[name]
    for exception in event.get("exception", {}).get("values", []):
        if exception.get("value"):
            exception["value"] = without_row_data(exception["value"])
    return event
