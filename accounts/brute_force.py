"""How guessing passwords is stopped, in PostgreSQL, so that it works without Redis.

Failures count per address and e-mail together, so that nobody can lock somebody
else out from elsewhere, and per address besides, so that trying one password on
many accounts ends as well. The back office's login is guarded the same way.
"""

from datetime import timedelta
from http import HTTPStatus
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import authenticate
from django.db.models import Max, Model, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.api.problems import error_response


class TooManyAttempts(DomainError):
    """Too many failed logins from this address."""

    code = "too_many_attempts"
    status = HTTPStatus.TOO_MANY_REQUESTS


class LoginGuard(AxesDatabaseHandler):  # type: ignore[misc]
    """Adds the limit per address to the one per address and e-mail."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        # Both in one statement, and what it says of the account is kept for the login's end:
        # to ask for each and to forget what was not there took three of a login's five.
        failed = _recent_attempts(request).aggregate(
            of_address=Sum("failures_since_start", default=0),
            of_account=Sum(
                "failures_since_start",
                default=0,
                filter=Q(username=attempted_email(request, credentials)),
            ),
        )
        failures = int(failed["of_account"])
        request.failures_of_account = failures  # type: ignore[attr-defined]
        if failed["of_address"] >= settings.LOGIN_FAILURES_PER_ADDRESS:
            return max(failures, int(settings.AXES_FAILURE_LIMIT))
        return failures


def seconds_locked(request: HttpRequest) -> int:
    """Return how long a locked-out address has to wait at most; at least 1."""
    failed = _recent_attempts(request).aggregate(last=Max("attempt_time", default=timezone.now()))
    wait: timedelta = failed["last"] + settings.AXES_COOLOFF_TIME - timezone.now()
    return max(1, ceil(wait.total_seconds()))


def authenticate_or_stop(*, request: HttpRequest, email: str, password: str) -> User | None:
    """Return the active user with this e-mail and password, or None.

    Takes the same time whether the e-mail is unknown, the password wrong or the
    user inactive, but for hashes of other costs, which the next login replaces.
    Raise `TooManyAttempts` under brute force.
    """
    user = authenticate(request, username=email, password=password)
    if request.axes_locked_out:  # type: ignore[attr-defined]
        raise TooManyAttempts(
            "Too many failed logins. Please wait before you try again.",
            retry_after=seconds_locked(request),
        )
    if user is None:
        return None
    if request.failures_of_account:  # type: ignore[attr-defined]
        AxesProxyHandler.reset_attempts(
            ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
            username=User.objects.clean_email(email),
        )
    return user


def attempted_email(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the e-mail as it is counted, however it was typed (AXES_USERNAME_CALLABLE)."""
    typed = (credentials or request.POST).get("username")
    return User.objects.clean_email(typed or "")


def lockout_response(
    request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Return our page or problem for a locked-out login (AXES_LOCKOUT_CALLABLE).

    The API has said so already, by `TooManyAttempts`.
    """
    if original is not None and original.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return original
    response = error_response(request, "throttled")
    response["Retry-After"] = str(seconds_locked(request))
    return response


def _recent_attempts(request: HttpRequest) -> QuerySet[Model]:
    attempts: QuerySet[Model] = AccessAttempt.objects.filter(
        ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
        attempt_time__gte=timezone.now() - settings.AXES_COOLOFF_TIME,
    )
    return attempts
