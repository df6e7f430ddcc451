"""Two-factor authentication of staff by one-time codes (TOTP, RFC 6238)."""

import base64
import time

import django_otp
import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from accounts import audit
from accounts.audited_admin import staff_user
from accounts.brute_force import TooManyAttempts, authenticate_within_limits
from accounts.mails import notify_owner
from accounts.models import User

_DIGITS = 6
# In the session: the key that it is setting up, which no other session may see, and the user's
# token version, which a new password raises.
_PENDING = "second_factor_key"


class CodeForm(forms.Form):
    code = forms.RegexField(
        rf"^[0-9]{{{_DIGITS}}}$",
        label="Code from your authenticator app",
        error_messages={"invalid": f"A code has {_DIGITS} digits."},
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
        ),
    )


class PasswordForm(forms.Form):
    password = forms.CharField(
        label="Your password",
        strip=False,
        max_length=1024,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )


def page(request: HttpRequest) -> HttpResponse:
    """Show the next step. A POST starts a set-up, verifies a code, or removes the device."""
    user = staff_user(request)
    if request.method != "POST":
        return _render(request, user)
    if request.POST.get("action") == "start":
        form = PasswordForm(request.POST)
        if form.is_valid():
            if _start(request, user, form.cleaned_data["password"]):
                return redirect("second-factor")
            form.add_error("password", "Incorrect password.")
        return _render(request, user, password_form=form)
    return _post_code(request, user, CodeForm(request.POST))


def _post_code(request: HttpRequest, user: User, form: CodeForm) -> HttpResponse:
    match request.POST.get("action"):
        case "verify" if form.is_valid():
            if _verify(request, user, form.cleaned_data["code"]):
                return redirect("admin:index")
            form.add_error("code", "Incorrect or expired code.")
        case "remove" if form.is_valid():
            if user.is_verified() and _remove(user, form.cleaned_data["code"]):
                messages.success(request, "Two-factor authentication is off.")
                return redirect("second-factor")
            form.add_error("code", "Incorrect or expired code. Each code works only once.")
    return _render(request, user, code_form=form)


def _start(request: HttpRequest, user: User, password: str) -> bool:
    """Create a key that this session has to confirm; return False if the password is wrong.

    Guesses count as failed logins. Once there are too many, axes' middleware replaces the response.
    """
    try:
        if authenticate_within_limits(request=request, email=user.email, password=password) != user:
            return False
    except TooManyAttempts:
        return False
    request.session[_PENDING] = [default_key(), user.token_version]
    return True


def _pending(request: HttpRequest, user: User) -> TOTPDevice | None:
    """Return the device that this session is setting up. It is stored once it is confirmed."""
    key, token_version = request.session.get(_PENDING, ("", None))
    if token_version != user.token_version:
        return None
    return TOTPDevice(user=user, name="Authenticator app", key=key)


def _verify(request: HttpRequest, user: User, code: str) -> bool:
    """Verify this session; the first code confirms the device that it is setting up."""
    with transaction.atomic(durable=True):
        user, devices = _locked(user)
        pending = _pending(request, user)
        if devices:
            device = _matching(devices, code)
        else:
            device = pending if pending is not None and _confirm(pending, code) else None
    if device is None:
        return False
    request.session.cycle_key()
    request.session.pop(_PENDING, None)
    rotate_token(request)
    django_otp.login(request, device)
    return True


def _confirm(device: TOTPDevice, code: str) -> bool:
    """Store the new device if its code is correct; `verify_token` would store it in any case."""
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
    totp.time = time.time()
    if not totp.verify(int(code), device.tolerance):
        return False
    device.last_t, device.drift = totp.t(), totp.drift
    device.set_last_used_timestamp(commit=False)
    device.save()
    _record(device.user, "second_factor_added")
    return True


def _remove(user: User, code: str) -> bool:
    with transaction.atomic(durable=True):
        user, devices = _locked(user)
        if _matching(devices, code) is None:
            return False
        TOTPDevice.objects.filter(user=user).delete()
        _record(user, "second_factor_removed")
    return True


def _record(user: User, change: str) -> None:
    audit.record(actor=user, action=change, subject=user)
    notify_owner(user, change)


def _locked(user: User) -> tuple[User, list[TOTPDevice]]:
    """Return the user and their confirmed devices, locked until the transaction ends.

    Two sessions then cannot confirm two keys, and no code is accepted twice.
    """
    user = User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)
    devices = TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk")
    return user, list(devices.select_for_update(of=("self",), no_key=True))


def _matching(devices: list[TOTPDevice], code: str) -> TOTPDevice | None:
    return next((device for device in devices if device.verify_token(code)), None)


def _render(
    request: HttpRequest,
    user: User,
    *,
    code_form: CodeForm | None = None,
    password_form: PasswordForm | None = None,
) -> HttpResponse:
    verified = user.is_verified()
    enrolled = verified or django_otp.user_has_device(user)
    device = None if enrolled else _pending(request, user)
    context = {
        **admin.site.each_context(request),
        "title": "Two-factor authentication",
        "code_form": code_form or CodeForm(),
        "password_form": password_form or PasswordForm(),
        "is_verified": verified,
        "is_required": settings.ADMIN_SECOND_FACTOR == "required",
        "asks_for_code": enrolled or device is not None,
        "key": base64.b32encode(device.bin_key).decode() if device else "",
        "picture": segno.make_qr(device.config_url).svg_inline(scale=5, border=2) if device else "",
    }
    return TemplateResponse(request, "admin/second_factor.html", context)
