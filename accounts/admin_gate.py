"""Access to the back office: allowed addresses, and the second factor of staff."""

from collections.abc import Callable
from ipaddress import ip_address

import django_otp
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.client_address import client_address
from accounts.models import User
from booking_site.api.problems import error_response

Handler = Callable[[HttpRequest], HttpResponse]


def only_known_addresses(get_response: Handler) -> Handler:
    """Answer 404 to addresses outside ADMIN_ALLOWED_ADDRESSES."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if _in_back_office(request) and not _is_allowed(client_address(request)):
            return error_response(request, "not_found")
        return get_response(request)

    return middleware


def require_second_factor(get_response: Handler) -> Handler:
    """Redirect staff to verify, or to set up, their second factor before any other page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if _in_back_office(request) and _must_verify(request):
            return redirect("second-factor")
        return get_response(request)

    return middleware


def _in_back_office(request: HttpRequest) -> bool:
    return request.path_info == "/admin" or request.path_info.startswith("/admin/")


def _is_allowed(address: str | None) -> bool:
    allowed = settings.ADMIN_ALLOWED_ADDRESSES
    if not allowed:
        return True
    return address is not None and any(ip_address(address) in network for network in allowed)


def _must_verify(request: HttpRequest) -> bool:
    if settings.ADMIN_SECOND_FACTOR == "off":
        return False
    if request.path_info in {reverse("second-factor"), reverse("admin:logout")}:
        return False
    user: User | AnonymousUser = request.user
    if not isinstance(user, User) or user.is_verified():
        return False
    return settings.ADMIN_SECOND_FACTOR == "required" or bool(django_otp.user_has_device(user))
