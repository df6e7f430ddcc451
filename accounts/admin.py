"""The people in the back office."""

from collections.abc import Callable
from typing import Any

from axes.models import AccessAttempt
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import ManyToManyField, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.forms import AdminPasswordChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts import audit, services
from accounts.audited_admin import Audited, staff_user
from accounts.mails import send_confirmation
from accounts.models import SignIn, User

admin.site.unregister(Group)
admin.site.unregister(TOTPDevice)  # its own page would show the keys


class AddPersonForm(UserCreationForm):  # type: ignore[misc] # unfold is untyped
    class Meta:
        model = User
        fields = ("name", "email")

    def clean_email(self) -> str:
        return User.objects.clean_email(self.cleaned_data["email"])


class ChangePersonForm(forms.ModelForm):  # type: ignore[type-arg] # not generic at run time
    class Meta:
        model = User
        fields = ("name", "email", "is_active", "is_staff", "groups", "is_superuser")

    def clean_email(self) -> str:
        return User.objects.clean_email(self.cleaned_data["email"])


@admin.register(User)
class UserAdmin(Audited, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """People are removed by an action, never deleted: what they bought stays in the books."""

    form = ChangePersonForm
    add_form = AddPersonForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "roles", "is_active", "is_staff", "created_at")
    search_help_text = "Name or e-mail address"
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("name", "email")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = (
        "new_password",
        "email_confirmed_at",
        "last_login",
        "created_at",
        "updated_at",
    )
    fieldsets = (
        (None, {"fields": ("name", "email", "new_password")}),
        ("Access", {"fields": ("is_active", "is_staff", "groups", "is_superuser")}),
        ("Since", {"fields": ("created_at", "updated_at", "last_login", "email_confirmed_at")}),
    )
    add_fieldsets = ((None, {"fields": ("name", "email", "password1", "password2")}),)
    actions_detail = ("remove_person",)
    personal_fields = ("name", "email")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people: QuerySet[User] = super().get_queryset(request).prefetch_related("groups")
        return people

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs |= {
            "widget": UnfoldAdminCheckboxSelectMultipleWidget,
            "label": "Roles",
            "help_text": "",
        }
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description="password")
    def new_password(self, person: User) -> SafeString:
        page = reverse("admin:auth_user_password_change", args=[person.pk])
        return format_html('<a class="text-link" href="{}">Set a new password</a>', page)

    @admin.display(description="roles")
    def roles(self, person: User) -> str:
        if person.is_superuser:
            return "Administrator"
        return ", ".join(group.name for group in person.groups.all())

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if request.user.is_superuser:
            return self.readonly_fields
        # Else a manager could make an administrator of anybody.
        return (*self.readonly_fields, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and (
            obj.is_removed
            or obj.is_superuser > request.user.is_superuser
            or (obj.is_staff and not _is_colleague(obj, of=staff_user(request)))
        ):
            return False
        allowed: bool = super().has_change_permission(request, obj)
        return allowed

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        person = User.objects.filter(pk=object_id or 0).first()
        return self.has_change_permission(request, person)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Only what was edited: a token version that rose meanwhile must not fall back.
        columns = {field.name for field in User._meta.concrete_fields}
        changed = columns.intersection(form.changed_data)
        if "email" in changed:
            obj.email_confirmed_at = None
            changed.add("email_confirmed_at")
        obj.save(update_fields=[*changed, "updated_at"])
        if "email" in changed:
            send_confirmation.enqueue(user_id=obj.pk)
        if "is_active" in form.changed_data:
            services.revoke_tokens(user_id=obj.pk)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        with transaction.atomic():  # with its audit entry
            return super().user_change_password(request, id, form_url)

    @action(  # type: ignore[untyped-decorator]
        description="Remove person", permissions=["remove"], url_path="remove"
    )
    def remove_person(self, request: HttpRequest, object_id: int) -> HttpResponse:
        person = get_object_or_404(User, pk=object_id)
        back = reverse("admin:accounts_user_change", args=[object_id])
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": "Remove person",
                "opts": self.opts,
                "person": person,
                "back": back,
            }
            return TemplateResponse(request, "admin/accounts/remove_person.html", context)
        try:
            services.remove_person(user_id=person.pk, actor=staff_user(request))
        except services.StaffAccount as refusal:
            messages.error(request, refusal.message)
            return redirect(back)
        messages.success(request, "The person was removed. What they bought stays in the books.")
        return redirect("admin:accounts_user_changelist")


def _is_colleague(person: User, *, of: User) -> bool:
    """Report whether the other may act for this member of staff, as `COLLEAGUE_CHECK` decides."""
    check: Callable[..., bool] = import_string(settings.COLLEAGUE_CHECK)
    return check(person, of=of)


@admin.register(SignIn)
class SignInAdmin(ModelAdmin):  # type: ignore[misc]
    """Who is signed in where; ended here, never edited."""

    list_display = ("user", "created_at", "expires_at", "ended_at")
    list_filter = ("ended_at",)
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    date_hierarchy = "created_at"
    fields = readonly_fields = ("user", "created_at", "expires_at", "ended_at")
    actions = ("end",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SignIn | None = None) -> bool:
        return False

    @admin.action(description="End the chosen sign-ins", permissions=["change"])
    def end(self, request: HttpRequest, sign_ins: QuerySet[SignIn]) -> None:
        ended = sign_ins.filter(ended_at__isnull=True).update(ended_at=Now())
        messages.success(request, f"Ended: {ended}.")


@admin.register(Group)
class RoleAdmin(Audited, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """The roles; `make_roles` brings the four of the house back to what they should be."""


@admin.register(AccessAttempt)
class FailedLoginAdmin(Audited, ModelAdmin):  # type: ignore[misc]
    """Failed logins that count at present. Deleting one lifts its lock."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time", "path_info")
    search_fields = ("username", "ip_address")
    fields = readonly_fields = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        return False


@admin.register(TOTPDevice)
class SecondFactorAdmin(Audited, ModelAdmin):  # type: ignore[misc]
    """Who proves a code of which app. Deleting one helps somebody who lost their phone."""

    list_display = ("user", "name", "confirmed", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    fields = readonly_fields = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TOTPDevice | None = None) -> bool:
        return False

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[TOTPDevice]) -> Any:
        for device in queryset:
            # Told of the person: the device is gone, and its name tells whose it was.
            audit.record(
                actor=staff_user(request),
                action="second_factor_removed",
                subject=device.user,
            )
