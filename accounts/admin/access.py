"""Sign-ins, roles, failed logins and second factors in the back office."""

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin

from accounts import audit, services
from accounts.audited_admin import Audited, staff_user
from accounts.mails import notify_owner
from accounts.models import AuditEntry, SignIn, User
from accounts.rights import may_change
from booking_site.back_office.filters import ConditionFilter, DaysFilter
from booking_site.back_office.large_tables import LargeTable
from booking_site.back_office.permissions import NoAdding, NoChanging, NoDeleting
from booking_site.back_office.word_search import WordSearch
from booking_site.email_address import readable_email
from booking_site.typed_text import LineFormField

admin.site.unregister(Group)
admin.site.unregister(TOTPDevice)  # its own page would show the keys


class SignInStateFilter(ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "current": ("Current", Q(ended_at__isnull=True, expires_at__gt=Now())),
        "ended": ("Ended", Q(ended_at__isnull=False)),
    }


@admin.register(SignIn)
class SignInAdmin(NoAdding, NoDeleting, LargeTable, Audited, ModelAdmin):  # type: ignore[misc]
    """Sign-ins are ended here, never edited."""

    list_display = ("user", "created_at", "expires_at", "ended_at")
    list_filter = (SignInStateFilter, ("created_at", DaysFilter))
    list_filter_submit = True
    sortable_by = ("created_at",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    search_help_text = "Name or e-mail address"
    fields = readonly_fields = ("user", "created_at", "expires_at", "ended_at")
    actions = ("end",)

    def matching(self, rows: QuerySet[SignIn], text: str) -> QuerySet[SignIn]:
        return rows.filter(user__in=User.objects.ids_matching(text))

    def entries_about(self, obj: SignIn) -> QuerySet[AuditEntry]:
        return audit.history_of(obj.user).filter(action="sign_ins_ended")

    @admin.action(description="End selected sign-ins", permissions=["change"])
    def end(self, request: HttpRequest, sign_ins: QuerySet[SignIn]) -> None:
        actor = staff_user(request)
        chosen = sign_ins.select_related("user")
        users = {sign_in.user for sign_in in chosen}
        changeable = {user for user in users if may_change(actor=actor, user=user)}
        allowed = [sign_in.pk for sign_in in chosen if sign_in.user in changeable]
        ended = services.end_sign_ins(sign_in_ids=allowed, actor=actor)
        messages.success(request, f"{ended} sign-ins ended.")
        if refused := len(chosen) - len(allowed):
            messages.error(request, f"{refused} belong to users whom you may not change.")


@admin.register(Group)
class RoleAdmin(Audited, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Roles. The command `make_roles` restores the permissions of the standard ones.

    Only administrators change them: others could give themselves permissions through a role.
    """

    formfield_overrides = {models.CharField: {"form_class": LineFormField}}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return staff_user(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return staff_user(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return staff_user(request).is_superuser


@admin.register(AccessAttempt)
class FailedLoginAdmin(NoAdding, NoChanging, Audited, ModelAdmin):  # type: ignore[misc]
    """Failed logins that count towards a lock. Deleting one lifts the lock."""

    list_display = ("email", "ip_address", "failures_since_start", "attempt_time", "path_info")
    search_fields = ("username", "ip_address")
    search_help_text = "E-mail address or IP address"
    fields = readonly_fields = list_display

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AccessAttempt], search_term: str
    ) -> tuple[QuerySet[AccessAttempt], bool]:
        stored = User.objects.clean_email(search_term)
        return super().get_search_results(request, queryset, stored)

    def has_delete_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        user = _account_of(obj) if obj else None
        if user and not may_change(actor=staff_user(request), user=user):
            return False
        return bool(super().has_delete_permission(request, obj))

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> Any:
        for attempt in queryset:
            audit.record(
                actor=staff_user(request),
                action="lock_lifted",
                subject=_account_of(attempt) or attempt,
            )

    @admin.display(description="e-mail", ordering="username")
    def email(self, attempt: AccessAttempt) -> str:
        return readable_email(attempt.username)


def _account_of(attempt: AccessAttempt) -> User | None:
    return User.objects.filter(email=attempt.username).first()


@admin.register(TOTPDevice)
class SecondFactorAdmin(NoAdding, NoChanging, Audited, WordSearch, ModelAdmin):  # type: ignore[misc]
    """Devices for two-factor authentication. Staff who lost theirs need it deleted."""

    list_display = ("user", "name", "confirmed", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    search_help_text = "Name or e-mail address"
    fields = readonly_fields = list_display

    def matching(self, rows: QuerySet[TOTPDevice], text: str) -> QuerySet[TOTPDevice]:
        return rows.filter(user__in=User.objects.ids_matching(text))

    def has_delete_permission(self, request: HttpRequest, obj: TOTPDevice | None = None) -> bool:
        if obj and not may_change(actor=staff_user(request), user=obj.user):
            return False
        return bool(super().has_delete_permission(request, obj))

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[TOTPDevice]) -> Any:
        for device in queryset:
            # Recorded for the user: the device is gone afterwards.
            audit.record(
                actor=staff_user(request),
                action="second_factor_removed",
                subject=device.user,
            )
            notify_owner(device.user, "second_factor_removed")
