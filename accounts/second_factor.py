"""Two-factor authentication of staff by one-time codes (TOTP, RFC 6238)."""

import base64

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
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import audit
from accounts.audited_admin import staff_user
from accounts.models import User

_DIGITS = 6
# The device that this session is setting up. No other session may see its key.
_PENDING = "second_factor_pending"


class CodeForm(forms.Form):
    code = forms.RegexField(
        rf"^[0-9]{{{_DIGITS}}}$",
        label="Code from your authenticator app",
        error_messages={"invalid": f"A code has {_DIGITS} digits."},
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
        ),
    )


def page(request: HttpRequest) -> HttpResponse:
    """Show the next step. A POST starts a set-up, verifies a code, or removes the device."""
    user = staff_user(request)
    if request.method != "POST":
        return _render(request, user, CodeForm())
    form = CodeForm(request.POST)
    match request.POST.get("action"):
        case "start":
            _start(request, user)
            return redirect("second-factor")
        case "verify" if form.is_valid():
            if _verify(request, user, form.cleaned_data["code"]):
                return redirect("admin:index")
            form.add_error("code", "Incorrect or expired code.")
        case "remove" if form.is_valid():
            if user.is_verified() and _remove(user, form.cleaned_data["code"]):
                messages.success(request, "Two-factor authentication is off.")
                return redirect("second-factor")
            form.add_error("code", "Incorrect or expired code. Each code works only once.")
    return _render(request, user, form)


def _start(request: HttpRequest, user: User) -> None:
    """Create a device for this session to confirm, unless the user has a confirmed one."""
    with transaction.atomic(durable=True):
        if any(device.confirmed for device in _locked_devices(user)):
            return
        TOTPDevice.objects.filter(user=user).delete()
        device = TOTPDevice.objects.create(user=user, confirmed=False, name="Authenticator app")
    request.session[_PENDING] = device.pk


def _verify(request: HttpRequest, user: User, code: str) -> bool:
    """Verify this session; the first code confirms the device that it is setting up."""
    with transaction.atomic(durable=True):
        devices = _locked_devices(user)
        confirmed = [device for device in devices if device.confirmed]
        pending = [device for device in devices if device.pk == request.session.get(_PENDING)]
        device = _matching(confirmed or pending, code)
        if device is None:
            return False
        if not device.confirmed:
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            audit.record(actor=user, action="second_factor_added", subject=user)
    request.session.cycle_key()
    rotate_token(request)
    django_otp.login(request, device)
    return True


def _remove(user: User, code: str) -> bool:
    with transaction.atomic(durable=True):
        if _matching([each for each in _locked_devices(user) if each.confirmed], code) is None:
            return False
        TOTPDevice.objects.filter(user=user).delete()
        audit.record(actor=user, action="second_factor_removed", subject=user)
    return True


def _locked_devices(user: User) -> list[TOTPDevice]:
    """Return the user's devices, locked, so that no code is accepted twice."""
    devices = TOTPDevice.objects.filter(user=user).order_by("pk")
    return list(devices.select_for_update(of=("self",), no_key=True))


def _matching(devices: list[TOTPDevice], code: str) -> TOTPDevice | None:
    return next((device for device in devices if device.verify_token(code)), None)


def _render(request: HttpRequest, user: User, form: CodeForm) -> HttpResponse:
    verified = user.is_verified()
    enrolled = verified or django_otp.user_has_device(user)
    pending = TOTPDevice.objects.filter(user=user, pk=request.session.get(_PENDING)).first()
    device = None if enrolled else pending
    context = {
        **admin.site.each_context(request),
        "title": "Two-factor authentication",
        "form": form,
        "is_verified": verified,
        "is_required": settings.ADMIN_SECOND_FACTOR == "required",
        "asks_for_code": enrolled or device is not None,
        "key": base64.b32encode(device.bin_key).decode() if device else "",
        "picture": segno.make_qr(device.config_url).svg_inline(scale=5, border=2) if device else "",
    }
    return TemplateResponse(request, "admin/second_factor.html", context)
