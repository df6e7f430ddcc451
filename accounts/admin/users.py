"""Users in the back office."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import connection, transaction
from django.db.models import ManyToManyField, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.forms import UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts import services
from accounts.admin.passwords import NewPasswordForm
from accounts.audited_admin import Audited, staff_user
from accounts.models import User
from accounts.rights import grantable_roles, may_change
from booking_site.back_office.filters import ConditionFilter
from booking_site.back_office.large_tables import LargeTable


class AccessFilter(ConditionFilter):
    title = "access"
    parameter_name = "access"
    conditions = {
        "customers": ("Customers", Q(is_staff=False)),
        "staff": ("Staff", Q(is_staff=True)),
        "administrators": ("Administrators", Q(is_staff=True, is_superuser=True)),
        "guests": ("Guests", Q(contact_email__isnull=False)),
        "inactive": ("Inactive", Q(is_active=False)),
    }


@admin.register(User)
class UserAdmin(LargeTable, Audited, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """Users are removed by an action, never deleted: sales records refer to them."""

    form = forms.ModelForm
    add_form = UserCreationForm
    change_password_form = NewPasswordForm
    list_display = ("readable_email", "name", "roles", "is_active", "is_staff", "created_at")
    search_help_text = "Name or e-mail address"
    list_filter = (AccessFilter, "groups")
    sortable_by = ("readable_email",)
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
        ("Dates", {"fields": ("created_at", "updated_at", "last_login", "email_confirmed_at")}),
    )
    guest_fieldsets = (
        (None, {"fields": ("name", "contact_email")}),
        ("Access", {"fields": ("is_active",)}),
        ("Dates", {"fields": ("created_at", "updated_at")}),
    )
    add_fieldsets = ((None, {"fields": ("name", "email", "password1", "password2")}),)
    actions_detail = ("remove_person",)
    personal_fields = ("name", "email", "contact_email")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(request).prefetch_related("groups")
        return users

    def matching(self, rows: QuerySet[User], text: str) -> QuerySet[User]:
        return rows.filter(pk__in=User.objects.ids_matching(text))

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs |= {
            "queryset": grantable_roles(actor=staff_user(request)),
            "widget": UnfoldAdminCheckboxSelectMultipleWidget,
            "label": "Roles",
            "help_text": "",
        }
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description="password")
    def new_password(self, user: User) -> SafeString:
        page = reverse("admin:auth_user_password_change", args=[user.pk])
        return format_html('<a class="text-link" href="{}">Set a new password</a>', page)

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        if user.is_superuser:
            return "Administrator"
        if user.is_guest:
            return "Guest"
        return ", ".join(group.name for group in user.groups.all())

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if request.user.is_superuser:
            return self.readonly_fields
        # Otherwise a manager could make anyone an administrator.
        return (*self.readonly_fields, "is_superuser")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Without a form, show roles as text; only the users themselves can set a new password.

        Guests have neither roles nor a password.
        """
        if obj is not None and obj.is_guest:
            return self.guest_fieldsets
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        password = ("new_password",) if obj == request.user else ()
        return (
            (None, {"fields": ("name", "email", *password)}),
            ("Access", {"fields": ("is_active", "is_staff", "roles", "is_superuser")}),
            *fieldsets[2:],
        )

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> User | None:
        """Lock the user of a submitted form, so that the check of rights holds when it is saved."""
        user: User | None = super().get_object(request, object_id, from_field)
        if user and request.method == "POST" and connection.in_atomic_block:
            locked = User.objects.select_for_update(of=("self",), no_key=True)
            user.refresh_from_db(from_queryset=locked)
        return user

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and not may_change(actor=staff_user(request), user=obj):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.has_change_permission(request, self.get_object(request, object_id or ""))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Only the edited columns, so that a token version raised meanwhile is not overwritten.
        columns = {field.name for field in User._meta.concrete_fields}
        changed = columns.intersection(form.changed_data)
        if "email" in changed:
            obj.email_confirmed_at = None
            changed.add("email_confirmed_at")
        obj.save(update_fields=[*changed, "updated_at"])
        if "email" in changed:
            services.finish_email_change(obj, former_email=form.initial["email"])
        if "is_active" in form.changed_data:
            services.revoke_tokens(user_id=obj.pk)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        if unquote(id) == str(request.user.pk):
            return redirect("admin:password_change")  # asks for the old password
        user = self.get_object(request, unquote(id))
        if user and user.is_guest:
            raise Http404
        with transaction.atomic():  # the change and its audit entry
            return super().user_change_password(request, id, form_url)

    @action(  # type: ignore[untyped-decorator]
        description="Remove user", permissions=["remove"], url_path="remove"
    )
    def remove_person(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        back = reverse("admin:accounts_user_change", args=[object_id])
        if request.method != "POST":
            context = self.page_context(request, title="Remove user")
            context |= {"user_to_remove": user, "back": back}
            return TemplateResponse(request, "admin/accounts/remove_user.html", context)
        try:
            services.remove_person(user_id=user.pk, actor=staff_user(request))
        except services.StaffAccount as refusal:
            messages.error(request, refusal.message)
            return redirect(back)
        messages.success(request, "The user was removed. Sales records are kept.")
        return redirect("admin:accounts_user_changelist")
