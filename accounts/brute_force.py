"""Limits on guessing passwords, counted in PostgreSQL, so that they work without Redis.

Failed logins count per address and account, so that nobody can lock out another user
from elsewhere. They also count per address alone, which stops trying one password on
many accounts. Guessing one account's password from many addresses is slowed: after
`FAILURES_PER_DAY` in 24 hours, all addresses without a recent login to it share one attempt per
`SLOWED_INTERVAL`. Every check of a password has the same limits, also in the back office.
"""

from collections.abc import Collection
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt, AccessFailureLog
from django.conf import settings
from django.contrib.auth import authenticate
from django.db import connection, transaction
from django.db.models import Max, Model, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.mails import notify_owner
from accounts.models import KnownAddress, SlowedAccount, User
from booking_site.api.errors import DomainError
from booking_site.api.problems import error_response
from booking_site.email_address import MAX_LENGTH

FAILURES_PER_DAY = 50
SLOWED_INTERVAL = timedelta(minutes=1)
# An address stays known for this long after the last login from it.
KNOWN_FOR = timedelta(days=90)


class TooManyAttempts(DomainError):
    """Too many failed logins from this address, or to this account from unknown addresses."""

    code = "too_many_attempts"
    status = HTTPStatus.TOO_MANY_REQUESTS


class LoginGuard(AxesDatabaseHandler):  # type: ignore[misc]
    """Adds limits per address and per account to django-axes' limit per address and account."""

    def is_allowed(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        if not super().is_allowed(request, credentials):
            return False
        email = attempted_email(request, credentials)
        if not _is_slowed(email) or _is_known(email, request) or _claim_attempt(email):
            return True
        request.is_slowed = True  # type: ignore[attr-defined]
        return False

    def user_logged_in(self, sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        super().user_logged_in(sender, request, user, **kwargs)
        _remember_address(user, request)

    def remove_out_of_limit_failure_logs(self, *, username: str, limit: int | None = None) -> int:
        # django-axes would delete the newest ones; the worker deletes the old ones.
        return 0

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
    """Return the seconds after which a locked-out address can try again; at least 1."""
    if hasattr(request, "is_slowed"):
        return int(SLOWED_INTERVAL.total_seconds())
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
    if request.axes_locked_out or (user and locked_meanwhile(request, user)):  # type: ignore[attr-defined]
        raise TooManyAttempts(
            _("Too many failed logins. Please try again later."),
            retry_after=seconds_locked(request),
        )
    if user is None:
        return None
    if request.failures_of_account:  # type: ignore[attr-defined]
        AxesProxyHandler.reset_attempts(
            ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
            username=User.objects.clean_email(email),
        )
    _remember_address(user, request)
    return user


def locked_meanwhile(request: HttpRequest, user: User) -> bool:
    """Return whether other attempts reached a limit while the password was checked.

    Simultaneous attempts all begin below the limit, so the correct password is refused, too.
    """
    locked: bool = AxesProxyHandler.is_locked(request, {"username": user.email})
    request.axes_locked_out = locked  # type: ignore[attr-defined]
    return locked


def forget_failures(emails: Collection[str]) -> None:
    """Delete all failed logins with these e-mail addresses, so that they slow and lock nobody."""
    AccessAttempt.objects.filter(username__in=emails).delete()
    AccessFailureLog.objects.filter(username__in=emails).delete()
    SlowedAccount.objects.filter(email__in=emails).delete()


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


def _is_slowed(email: str) -> bool:
    """Return whether logins with this address, which may have no account, fail too often."""
    failures = AccessFailureLog.objects.filter(
        username=email, attempt_time__gt=Now() - timedelta(days=1)
    )
    return bool(failures.order_by()[:FAILURES_PER_DAY].count() == FAILURES_PER_DAY)


def _is_known(email: str, request: HttpRequest) -> bool:
    return KnownAddress.objects.filter(
        user__email=email,
        address=request.axes_ip_address,  # type: ignore[attr-defined]
        last_login_at__gt=Now() - KNOWN_FOR,
    ).exists()


def _remember_address(user: User, request: HttpRequest) -> None:
    address = request.axes_ip_address  # type: ignore[attr-defined]
    if address is not None:
        KnownAddress.objects.bulk_create(
            [KnownAddress(user=user, address=address, last_login_at=Now())],
            update_conflicts=True,
            unique_fields=["user", "address"],
            update_fields=["last_login_at"],
        )


def _claim_attempt(email: str) -> bool:
    """Return whether an unknown address may try now: one per interval. Warn the owner once a day.

    Of simultaneous attempts, one gets True.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM_ATTEMPT, [email, SLOWED_INTERVAL.total_seconds()])
        row = cursor.fetchone()
        if row and row[0] and (user := User.objects.filter(email=email, is_active=True).first()):
            notify_owner(user, "guesses")
    return row is not None


_CLAIM_ATTEMPT = """
    INSERT INTO slowed_accounts AS slowed (email, tried_at, warned_at)
    VALUES (%s, statement_timestamp(), statement_timestamp())
        ON CONFLICT (email) DO UPDATE
       SET tried_at = statement_timestamp(),
           warned_at = CASE WHEN slowed.warned_at > statement_timestamp() - interval '1 day'
                            THEN slowed.warned_at ELSE statement_timestamp() END
     WHERE slowed.tried_at <= statement_timestamp() - make_interval(secs => %s)
 RETURNING warned_at = tried_at
"""
