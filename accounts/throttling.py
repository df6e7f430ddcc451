"""Limits per user, or per address where nobody is logged in; and per address besides."""

from hashlib import sha256

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from accounts.client_address import client_address
from accounts.models import User


class ScopedThrottle(ScopedRateThrottle):
    """The view names its limit in `throttle_scope`. Without Redis there is no limit."""

    def get_rate(self) -> str | None:
        rate: str | None = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][self.scope]
        return rate

    def get_ident(self, request: Request) -> str:
        return client_address(request._request) or "nowhere"


class EmailThrottle(ScopedThrottle):
    """Limits how many mails a call may have sent to the `email` in its body, whoever asks."""

    scope_attr = "email_throttle_scope"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        body = request.data
        email = body.get("email") if isinstance(body, dict) else None
        if not isinstance(email, str):
            return None  # it will be refused for its shape
        ident = sha256(User.objects.clean_email(email).encode()).hexdigest()
        return self.cache_format % {"scope": self.scope, "ident": ident}


class AddressThrottle(ScopedThrottle):
    """The view names its limit in `address_throttle_scope`; whoever is logged in counts too."""

    scope_attr = "address_throttle_scope"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
