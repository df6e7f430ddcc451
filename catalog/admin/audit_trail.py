"""The audit trail in the back office: entries of the user's theatres and of no theatre."""

from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest

from accounts import audit
from accounts.models import AUDIT_WORDS, AuditEntry, User
from accounts.roles import WORK_EVERYWHERE
from booking_site.back_office.large_tables import LargeTable
from booking_site.postgres.words import words_beginning_with
from catalog.admin.base import ReadOnly, TheatreFilter, local
from catalog.models import Theatre
from catalog.staff import theatres_of


@admin.register(AuditEntry)
class AuditEntryAdmin(LargeTable, ReadOnly[AuditEntry]):
    list_display = ("time", "who", "label", "subject_name", "theatre", "reason", "details")
    list_filter = (TheatreFilter,)
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
