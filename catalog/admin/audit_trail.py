"""The audit trail in the back office: entries of the user's theatres and of no theatre."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from accounts import audit
from accounts.models import AUDIT_WORDS, AuditEntry, User
from accounts.roles import WORK_EVERYWHERE
from booking_site.back_office.filters import DaysFilter
from booking_site.back_office.large_tables import LargeTable
from booking_site.local_time import zone_named
from booking_site.postgres.words import words_beginning_with
from catalog.admin.base import ReadOnly, TheatreFilter, local
from catalog.models import Theatre
from catalog.staff import theatres_of


class ActionFilter(DropdownFilter):  # type: ignore[misc] # unfold is untyped
    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, AuditEntry(action=action).label) for action in audit.recorded_actions()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class ActorFilter(DropdownFilter):  # type: ignore[misc] # unfold is untyped
    """Offers present staff; entries of former staff are found by a search for their name."""

    title = "user"
    parameter_name = "actor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        staff = User.objects.filter(is_staff=True).order_by("email")
        return [("system", "System"), *((str(user.pk), str(user)) for user in staff)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        if self.value() not in dict(self.lookup_choices):
            return queryset
        return queryset.filter(actor=None if self.value() == "system" else self.value())


@admin.register(AuditEntry)
class AuditEntryAdmin(LargeTable, ReadOnly[AuditEntry]):
    list_display = ("time", "who", "label", "subject_name", "theatre", "reason", "details")
    list_filter = (TheatreFilter, ActionFilter, ActorFilter, ("at", DaysFilter))
    list_filter_submit = True
    sortable_by = ("time",)
    list_select_related = ("actor",)
    search_fields = ("subject_name",)
    search_help_text = "Action, object, or who did it"
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

    def matching(self, rows: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
        actors = Q(actor__in=User.objects.ids_matching(text))
        return rows.alias(words=AUDIT_WORDS).filter(actors | Q(words=words_beginning_with(text)))

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
        # Ids, because PostgreSQL uses no index for a subquery beside another condition.
        own = Q(theatre_id__in=list(theatres_of(request.user).values_list("pk", flat=True)))
        return entries.filter(own | Q(theatre_id=None))

    @admin.display(description="when", ordering="at")
    def time(self, entry: AuditEntry) -> str:
        return local(entry.at, zone_named(getattr(entry, "theatre_zone", None) or "UTC"))

    @admin.display(description="who", ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        return str(entry.actor or "System")

    @admin.display(description="theatre")
    def theatre(self, entry: AuditEntry) -> str:
        return getattr(entry, "theatre_name", None) or ""

    @admin.display(description="details")
    def details(self, entry: AuditEntry) -> str:
        return "; ".join(audit.sentences(entry))
