"""Limits per user, or per address where nobody is logged in; and per address besides."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from accounts.authentication import Caller
from accounts.client_address import client_address
from accounts.mails import request_times
from accounts.models import User


class ScopedThrottle(ScopedRateThrottle):
    """The view names its limit in `throttle_scope`. Without Redis there is no limit."""

    def get_rate(self) -> str | None:
        rate: str | None = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][self.scope]
        return rate

    def get_ident(self, request: Request) -> str:
        return client_address(request._request) or "nowhere"


class MailThrottle(ScopedThrottle):
    """Limits how many mails a call may have sent to one address, whoever asks.

    It counts the mails in the queue, so it needs no Redis: nobody's mailbox is
    flooded meanwhile. The view names its limit in `mail_throttle_scope`.
    """

    scope_attr = "mail_throttle_scope"

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.scope = getattr(view, self.scope_attr)
        self.rate = self.get_rate()
        limit, seconds = self.parse_rate(self.rate)
        recipient = _recipient(request)
        if limit is None or seconds is None or recipient is None:
            return True
        self.window = timedelta(seconds=seconds)
        since = timezone.now() - self.window
        self.asked_for = sorted(request_times(recipient, since=since))[-limit:]
        return len(self.asked_for) < limit

    def wait(self) -> float:
        """Return the seconds until the oldest of these mails counts no more."""
        return (self.asked_for[0] + self.window - timezone.now()).total_seconds()


def _recipient(request: Request) -> dict[str, object] | None:
    """Return whom the mail would go to, as its task names them."""
    if isinstance(request.user, Caller):
        return {"user_id": request.user.id}
    body = request.data
    email = body.get("email") if isinstance(body, dict) else None
    if not isinstance(email, str):
        return None  # it will be refused for its shape
    return {"email": User.objects.clean_email(email)}


class AddressThrottle(ScopedThrottle):
    """The view names its limit in `address_throttle_scope`; whoever is logged in counts too."""

    scope_attr = "address_throttle_scope"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
