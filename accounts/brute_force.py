"""Limits on guessing passwords, counted in PostgreSQL, so that they work without Redis.

Failed logins count per address and account, so that nobody can lock out another user
from elsewhere. They also count per address alone, which stops trying one password on
many accounts. The login of the back office has the same limits.
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
from booking_site.email_address import MAX_LENGTH


class TooManyAttempts(DomainError):
    """Too many failed logins from this address."""

    code = "too_many_attempts"
    status = HTTPStatus.TOO_MANY_REQUESTS


class LoginGuard(AxesDatabaseHandler):  # type: ignore[misc]
    """Adds the limit per address to django-axes' limit per address and account."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        # One statement counts both. The count of the account is stored on the request, so that
        # a successful login resets it only if there is something to reset.
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
    """Return the seconds after which a locked-out address can certainly try again; at least 1."""
    failed = _recent_attempts(request).aggregate(last=Max("attempt_time", default=timezone.now()))
    wait: timedelta = failed["last"] + settings.AXES_COOLOFF_TIME - timezone.now()
    return max(1, ceil(wait.total_seconds()))


def authenticate_within_limits(*, request: HttpRequest, email: str, password: str) -> User | None:
    """Return the active user with this e-mail and password, or None.

    It takes the same time whether the e-mail is unknown, the password wrong or the user
    inactive. Only hashes with other parameters differ, until the next login replaces them.
    Raise `TooManyAttempts` under brute force.
    """
    user = authenticate(request, username=email, password=password)
    if request.axes_locked_out:  # type: ignore[attr-defined]
        raise TooManyAttempts(
            "Too many failed logins. Please try again later.",
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
    """Return the attempted e-mail address in its stored spelling (AXES_USERNAME_CALLABLE).

    No account has a longer one, but the form of the back office accepts it.
    """
    typed = (credentials or request.POST).get("username")
    return User.objects.clean_email(typed or "")[:MAX_LENGTH]


def lockout_response(
    request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Return our page for a locked-out login (AXES_LOCKOUT_CALLABLE).

    The API raises `TooManyAttempts` instead.
    """
    return error_response(request, "throttled", retry_after=seconds_locked(request))


def _recent_attempts(request: HttpRequest) -> QuerySet[Model]:
    attempts: QuerySet[Model] = AccessAttempt.objects.filter(
        ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
        attempt_time__gte=timezone.now() - settings.AXES_COOLOFF_TIME,
    )
    return attempts
