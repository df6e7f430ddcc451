"""Theatres in the back office."""

from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelect2Widget

from accounts.roles import WORK_EVERYWHERE
from booking_site.local_time import zone_names
from catalog.admin.base import BackOffice, local, two_lines
from catalog.models import GapRule, Theatre


def _zones() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the choices of time zones, grouped by continent."""

    def continent(name: str) -> str:
        return name.partition("/")[0] if "/" in name else "Other"

    names = sorted(zone_names(), key=lambda name: (continent(name), name))
    return [
        (group, [(name, name.replace("_", " ")) for name in members])
        for group, members in groupby(names, key=continent)
    ]


class TheatreForm(forms.ModelForm):  # type: ignore[type-arg] # not generic at run time
    timezone = forms.ChoiceField(
        label="Time zone",
        choices=_zones,
        widget=UnfoldAdminSelect2Widget,
        help_text="All times of this theatre are entered and shown in this time zone.",
    )

    class Meta:
        model = Theatre
        fields = ("name", "location", "timezone", "currency", "gap_rule", "staff")


@admin.register(Theatre)
class TheatreAdmin(BackOffice[Theatre]):
    theatre_path = "pk"
    form = TheatreForm
    list_display = ("name", "location", "screen_count", "local_time", "currency", "single_seats")
    list_filter = ("currency", "gap_rule")
    search_fields = ("name", "location")
    ordering = ("name", "id")  # GROUP BY drops the default ordering
    search_help_text = "Name or location"
    autocomplete_fields = ("staff",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Theatre]:
        return super().get_queryset(request).annotate(screen_total=Count("screens"))

    def get_fields(self, request: HttpRequest, obj: Theatre | None = None) -> Any:
        """Leave out the staff for users who may not manage users."""
        fields = super().get_fields(request, obj)
        if request.user.has_perm("accounts.change_user"):
            return fields
        return [field for field in fields if field != "staff"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not change and not request.user.has_perm(WORK_EVERYWHERE):
            form.instance.staff.add(request.user)  # otherwise they could not see it

    def theatre_of(self, obj: Theatre) -> Theatre:
        return obj

    @admin.display(description="screens", ordering="screen_total")
    def screen_count(self, theatre: Theatre) -> Any:
        return getattr(theatre, "screen_total", 0)

    @admin.display(description="local time")
    def local_time(self, theatre: Theatre) -> SafeString:
        return two_lines(local(timezone.now(), theatre.zone), theatre.timezone.replace("_", " "))

    @admin.display(description="single seats", ordering="gap_rule")
    def single_seats(self, theatre: Theatre) -> str:
        return "allowed" if theatre.gap_rule == GapRule.OFF else "not allowed"
