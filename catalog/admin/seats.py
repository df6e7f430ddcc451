"""Seats in the back office: a searchable list. They are changed on the seat map of their show."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import audit
from accounts.models import AuditEntry
from booking_site.back_office.large_tables import LargeTable
from booking_site.money import money_text
from catalog.admin.base import ReadOnly, badge, show_column
from catalog.models import STATE_NOW, Seat, SeatCategory, SeatStatus, Show


class FilterWithinShows(admin.SimpleListFilter):
    """Offered for the seats of chosen shows: an index on it would slow down every sale."""

    options: ClassVar[list[tuple[str, str]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        has_shows = request.GET.get(SEARCH_VAR) or request.GET.get("show__id__exact")
        return self.options if has_shows else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Seat]) -> QuerySet[Seat]:
        if self.value() not in dict(self.lookup_choices):
            return queryset
        return queryset.filter(**{str(self.parameter_name): self.value()})


class SeatStateFilter(FilterWithinShows):
    title = "state"
    parameter_name = "state_now"
    options = SeatStatus.choices


class SeatCategoryFilter(FilterWithinShows):
    title = "category"
    parameter_name = "category"
    options = SeatCategory.choices


@admin.register(Seat)
class SeatAdmin(LargeTable, ReadOnly[Seat]):
    theatre_path = "show__theatre"
    empty_history_text = (
        "This seat has never been blocked or moved. The order's history shows who bought it."
    )
    list_display = ("place", "on_show", "category", "amount", "state", "block_reason", "room")
    list_display_links = ("place",)
    list_filter = (SeatStateFilter, SeatCategoryFilter)
    linked_filters = ("show__id__exact",)
    list_select_related = ("show__movie", "show__theatre", "show__screen__theatre")
    search_fields = ("show__movie__title",)
    search_help_text = "Movie, theatre or screen"
    ordering = ("show_id", "row", "number")  # like its unique index, so no sorting
    fields = (
        "show",
        "row",
        "section",
        "number",
        "category",
        "amount",
        "state",
        "block_reason",
        "held_until",
        "x",
        "y",
    )
    on_show = show_column

    def matching(self, rows: QuerySet[Seat], text: str) -> QuerySet[Seat]:
        return rows.filter(show__in=Show.objects.ids_matching(text))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Seat]:
        return super().get_queryset(request).annotate(state_now=STATE_NOW)

    def entries_about(self, seat: Seat) -> QuerySet[AuditEntry]:
        """Add the entries of its show that name this seat: seats are blocked and moved together."""
        return super().entries_about(seat) | audit.history_of_seat(seat.show, str(seat))

    @admin.display(description="seat")
    def place(self, seat: Seat) -> str:
        return str(seat)

    @admin.display(description="price")
    def amount(self, seat: Seat) -> str:
        currency = seat.show.theatre.currency
        return f"{money_text(seat.price, currency)} {currency}"

    @admin.display(description="state")
    def state(self, seat: Seat) -> SafeString:
        state = SeatStatus(getattr(seat, "state_now", seat.status))
        return badge(state.value, state.label)

    @admin.display(description="room")
    def room(self, seat: Seat) -> SafeString:
        return format_html(
            '<a class="text-link" href="{}">Open</a>',
            reverse("admin:catalog_show_room", args=[seat.show_id]),
        )
