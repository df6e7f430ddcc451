"""Who did what, when and why, in the theatres of the reader and in none."""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

from accounts import audit
from accounts.models import AuditEntry
from accounts.roles import WORK_EVERYWHERE
from catalog.admin.base import ReadOnly, local
from catalog.models import Theatre
from catalog.staff import theatres_of


class InTheatre(admin.SimpleListFilter):
    title = "theatre"
    parameter_name = "theatre"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(theatre.pk), theatre.name) for theatre in theatres_of(request.user)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        offered = {str(key) for key, _ in self.lookup_choices}
        if self.value() in offered:
            return queryset.filter(theatre_id=self.value())
        return queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly[AuditEntry]):
    list_display = ("time", "who", "label", "subject_name", "theatre", "reason", "details")
    list_filter = (
        InTheatre,
        ("action", admin.AllValuesFieldListFilter),
        ("actor", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("actor",)
    date_hierarchy = "at"
    search_fields = ("subject_name", "actor__name", "actor__email")
    search_help_text = "Object, or who did it"
    paginator = InfinitePaginator  # it only ever grows
    fields = (
        "time",
        "who",
        "label",
        "subject_type",
        "subject_name",
        "theatre",
        "reason",
        "details",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        theatre = Theatre.objects.filter(pk=OuterRef("theatre_id"))
        entries = (
            super()
            .get_queryset(request)
            .annotate(
                theatre_name=Subquery(theatre.values("name")),
                theatre_zone=Subquery(theatre.values("timezone")),
            )
        )
        if request.user.has_perm(WORK_EVERYWHERE):
            return entries
        own = Q(theatre_id__in=theatres_of(request.user))
        return entries.filter(own | Q(theatre_id=None))

    @admin.display(description="when", ordering="at")
    def time(self, entry: AuditEntry) -> str:
        zone = getattr(entry, "theatre_zone", None)
        return (
            local(entry.at, ZoneInfo(zone)) if zone else f"{local(entry.at, ZoneInfo('UTC'))} UTC"
        )

    @admin.display(description="who", ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        return str(entry.actor or "System")

    @admin.display(description="theatre")
    def theatre(self, entry: AuditEntry) -> str:
        return getattr(entry, "theatre_name", None) or ""

    @admin.display(description="details")
    def details(self, entry: AuditEntry) -> str:
        return "; ".join(audit.sentences(entry))
