"""Limits per user, or per address where nobody is logged in."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from accounts.client_address import client_address


class ScopedThrottle(ScopedRateThrottle):
    """The view names its limit in `throttle_scope`. Without Redis there is no limit."""

    def get_rate(self) -> str | None:
        rate: str | None = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][self.scope]
        return rate

    def get_ident(self, request: Request) -> str:
        return client_address(request._request) or "nowhere"
