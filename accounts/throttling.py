"""Rate limits per user and per address, and the headers that report them.

The headers follow draft-ietf-httpapi-ratelimit-headers-11. A policy has the name of its rate: the
policy `read` is THROTTLE_READ.
"""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import caches
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django_tasks_db.models import DBTaskResult
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from accounts.authentication import Caller, caller_of
from accounts.client_address import client_address
from accounts.mails import mails_to, notices, request_ages
from accounts.models import User

if TYPE_CHECKING:  # rest_framework.views imports the default throttles, which are in this module
    from rest_framework.views import APIView

# Seconds by which the clocks of two servers may differ.
CLOCK_DIFFERENCE = 60.0
# Attributes of a request that hold the values of the headers RateLimit-Policy and RateLimit.
_POLICIES, _REMAINING = "rate_limit_policies", "rate_limits"

Handler = Callable[[HttpRequest], HttpResponse]


def rate_limit_headers(get_response: Handler) -> Handler:
    """Add RateLimit-Policy and RateLimit to the responses of calls that were counted."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if policies := getattr(request, _POLICIES, None):
            response.headers["RateLimit-Policy"] = policies
        if remaining := getattr(request, _REMAINING, None):
            response.headers["RateLimit"] = remaining
        return response

    return middleware


def _append(request: Request, attribute: str, item: str) -> None:
    earlier = getattr(request._request, attribute, None)
    setattr(request._request, attribute, f"{earlier}, {item}" if earlier else item)


class History:
    """The cache in which DRF's throttles store the times of calls, newest first.

    Any other value is a miss, also one with a time in the future, which would never expire.
    """

    def get(self, key: str, default: Any) -> Any:
        found = caches["default"].get(key)
        latest = time.time() + CLOCK_DIFFERENCE
        is_history = isinstance(found, list) and all(
            type(moment) is float and moment <= latest for moment in found
        )
        return found if is_history else default

    def set(self, key: str, value: Any, timeout: float) -> None:
        caches["default"].set(key, value, timeout)


class ScopedThrottle(ScopedRateThrottle):
    """Limit per user, or per address without a token. There is no limit while Redis is down.

    The view names its rate in `throttle_scope`.
    """

    cache = History()  # type: ignore[assignment] # DRF calls get and set only
    num_requests: int
    duration: int

    def allow_request(self, request: Request, view: "APIView") -> bool:
        allowed = super().allow_request(request, view)
        if self.rate is not None:
            self.report_policy(request)
            oldest = self.history[-1] if self.history else self.now
            seconds = self.duration - (self.now - oldest)
            self.report_remaining(request, self.num_requests - len(self.history), seconds)
        return allowed

    def report_policy(self, request: Request) -> None:
        _append(request, _POLICIES, f'"{self.scope}";q={self.num_requests};w={self.duration}')

    def report_remaining(self, request: Request, calls: int, seconds: float) -> None:
        """Report how many calls remain, and the seconds until there are more."""
        _append(
            request, _REMAINING, f'"{self.scope}";r={max(0, calls)};t={max(1, math.ceil(seconds))}'
        )

    def get_rate(self) -> str | None:
        rate: str | None = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][self.scope]
        return rate

    def get_ident(self, request: Request) -> str:
        return client_address(request._request) or "nowhere"


class MailThrottle(ScopedThrottle):
    """Limit the mails to one recipient, whoever requests them.

    It counts the mails in the task queue, so it protects mailboxes even while
    Redis is down. The view names its rate in `mail_throttle_scope`.
    """

    scope_attr = "mail_throttle_scope"

    def allow_request(self, request: Request, view: "APIView") -> bool:
        self.scope = getattr(view, self.scope_attr)
        self.rate = self.get_rate()
        limit, seconds = self.parse_rate(self.rate)
        if limit is None or seconds is None:
            return True
        self.num_requests, self.duration = limit, seconds
        self.window = timedelta(seconds=seconds)
        self.ages = list(self.ages_of(request)[:limit])
        allowed = len(self.ages) < limit
        self.report_policy(request)
        # Somebody else must not learn how many mails the owner of an address has requested.
        if isinstance(request.user, Caller) or not allowed:
            seconds_left = self.wait() if self.ages else seconds
            self.report_remaining(request, limit - len(self.ages) - 1, seconds_left)
        return allowed

    def ages_of(self, request: Request) -> "QuerySet[Any, timedelta]":
        """Return how long ago the mails that count were requested, the latest first."""
        return request_ages(self.mails(request), within=self.window)

    def mails(self, request: Request) -> "QuerySet[DBTaskResult[..., Any]]":
        """Return the tasks of the mails that count."""
        recipient = _recipient(request)
        return mails_to(recipient) if recipient else DBTaskResult.objects.none()

    def wait(self) -> float:
        """Return the seconds until the oldest of these mails no longer counts."""
        return (self.window - self.ages[-1]).total_seconds()


def _recipient(request: Request) -> dict[str, object] | None:
    """Return the recipient as the arguments of the mail's task name it."""
    if isinstance(request.user, Caller):
        return {"user_id": request.user.id}
    body = request.data
    email = body.get("email") if isinstance(body, dict) else None
    if not isinstance(email, str):
        return None  # the serializer will refuse it
    return {"email": User.objects.clean_email(email)}


class NoticeThrottle(MailThrottle):
    """Limit how often the caller changes the password, because each change sends a notice."""

    def mails(self, request: Request) -> "QuerySet[DBTaskResult[..., Any]]":
        return notices(caller_of(request).id, "password")


class GuestThrottle(MailThrottle):
    """Limit the guests with one e-mail address, because their purchases send mails to it."""

    def ages_of(self, request: Request) -> "QuerySet[Any, timedelta]":
        recipient = _recipient(request) or {"email": ""}
        guests = User.objects.filter(
            contact_email=recipient["email"], created_at__gt=Now() - self.window
        )
        newest = guests.order_by("-created_at")
        return newest.values_list(Now() - F("created_at"), flat=True)


class AddressThrottle(ScopedThrottle):
    """Limit per address, logged in or not. The view names its rate in `address_throttle_scope`."""

    scope_attr = "address_throttle_scope"

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class ReadThrottle(ScopedThrottle):
    """Limit public reads per address, logged in or not, in windows of fixed length.

    Every server process counts in its own memory, so a site with N processes allows
    up to N times the rate: two calls to Redis would cost more than many of these reads.
    """

    scope = "read"

    def allow_request(self, request: Request, view: "APIView") -> bool:
        limit, seconds = self.parse_rate(self.get_rate())
        if limit is None or seconds is None:
            return True
        self.num_requests, self.duration = limit, seconds
        window, elapsed = divmod(time.time(), seconds)
        self.seconds_left = seconds - elapsed
        counts = caches["process"]
        key = f"{self.scope}-{window:.0f}-{self.get_ident(request)}"
        # Twice as long, because the window may end between these two calls.
        counts.add(key, 0, timeout=2 * seconds)
        count = counts.incr(key)
        self.report_policy(request)
        self.report_remaining(request, limit - count, self.seconds_left)
        return count <= limit

    def wait(self) -> float:
        return self.seconds_left


class CallThrottle(ReadThrottle):
    """Limit calls that have no other limit: per user, or per address without a token.

    Each server process counts them, like public reads.
    """

    scope = "call"

    def get_ident(self, request: Request) -> str:
        if isinstance(request.user, Caller):
            return f"user-{request.user.id}"
        return super().get_ident(request)
