"""Users in the back office, with the theatres where they work."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin import UserAdmin
from accounts.audited_admin import staff_user
from accounts.models import User
from catalog.staff import end_staff_access

admin.site.unregister(User)


@admin.register(User)
class StaffUserAdmin(UserAdmin):
    """Shows the theatres of a user; they are assigned on the pages of the theatres."""

    readonly_fields: ClassVar[Any] = (*UserAdmin.readonly_fields, "works_in")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        return [*fieldsets, ("Work", {"fields": ("works_in",)})] if obj else fieldsets

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "is_staff" in form.changed_data and not form.instance.is_staff:
            end_staff_access(user=form.instance, actor=staff_user(request))

    @admin.display(description="theatres")
    def works_in(self, user: User) -> str:
        return ", ".join(str(theatre) for theatre in user.theatres.all()) or "none"
