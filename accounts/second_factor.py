"""One-time codes (TOTP, RFC 6238) of staff: set up, prove, turn off."""

import base64

import django_otp
import segno
from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import User

_DIGITS = 6


class CodeForm(forms.Form):
    code = forms.RegexField(
        rf"^[0-9]{{{_DIGITS}}}$",
        label="Code of your app",
        error_messages={"invalid": f"A code is {_DIGITS} digits."},
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
        ),
    )


def has_one(user: User) -> bool:
    found: bool = TOTPDevice.objects.filter(user=user, confirmed=True).exists()
    return found


def is_proved(request: HttpRequest) -> bool:
    """Tell whether this session's user has proved the second factor that they have now."""
    proved = request.session.get(django_otp.DEVICE_ID_SESSION_KEY)
    if not proved:
        return False
    devices = TOTPDevice.objects.filter(user_id=request.user.pk, confirmed=True)
    return any(device.persistent_id == proved for device in devices)


def page(request: HttpRequest) -> HttpResponse:
    """Show what the caller has to do: scan a new key, type a code, or nothing more."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - admin_view lets nobody else through
    if is_proved(request):
        return _turn_off(request, user) if request.method == "POST" else _show(request)
    has_confirmed = has_one(user)
    device = None if has_confirmed else _new_device(user)
    form = CodeForm(request.POST or None)
    if form.is_valid():
        if _prove(request, user, form.cleaned_data["code"], confirmed=has_confirmed):
            return redirect("admin:index")
        form.add_error("code", "This is not the code of this moment. Wait for the next one.")
    return _show(request, form=form, device=device)


def _new_device(user: User) -> TOTPDevice:
    """Return the key that waits for its first code: the same on each look at the page."""
    waiting = TOTPDevice.objects.filter(user=user, confirmed=False).order_by("pk").first()
    return waiting or TOTPDevice.objects.create(
        user=user, confirmed=False, name="Authenticator app"
    )


def _prove(request: HttpRequest, user: User, code: str, *, confirmed: bool) -> bool:
    with transaction.atomic(durable=True):
        # Locked, so that one code is not taken twice.
        devices = TOTPDevice.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
        device = devices.filter(user=user, confirmed=confirmed).first()
        if device is None or not device.verify_token(code):
            return False
        if not confirmed:
            device.confirmed = True
            device.save(update_fields=["confirmed"])
    request.session.cycle_key()
    django_otp.login(request, device)
    return True


def _turn_off(request: HttpRequest, user: User) -> HttpResponse:
    TOTPDevice.objects.filter(user=user).delete()
    messages.success(request, "The second factor is off. Set it up again whenever you like.")
    return redirect("second-factor")


def _show(
    request: HttpRequest, *, form: CodeForm | None = None, device: TOTPDevice | None = None
) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": "Second factor",
        "form": form,
        "key": base64.b32encode(device.bin_key).decode() if device else "",
        "picture": segno.make(device.config_url).svg_inline(scale=5, border=2) if device else "",
    }
    return TemplateResponse(request, "admin/second_factor.html", context)
