"""Shows in the back office: their list, their form, and the URLs of their other pages."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import QuerySet
from django.db.models.functions import Cast, Now
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.audited_admin import staff_user
from booking_site.back_office.large_tables import LargeTable
from catalog.admin.base import BackOffice, TheatreFilter, badge, local, time_column, two_lines
from catalog.admin.programme.forms import BulkForm, CopyForm
from catalog.admin.programme.planning import plan_page
from catalog.admin.programme.week import open_week_page, week_page
from catalog.admin.shows.form import ShowForm
from catalog.admin.shows.pages import extra_show_pages
from catalog.admin.shows.repricing import MAY_REPRICE, repricing_page
from catalog.admin.shows.room import room_page
from catalog.admin.shows.seat_map import seat_map_page
from catalog.models import Show, ShowQuerySet, ShowStatus
from catalog.refused_overlaps import record_overlaps
from catalog.selling import SaleState, sale_state


class TimeFilter(admin.SimpleListFilter):
    """Upcoming shows by default; days are in the theatre's time zone."""

    title = "when"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("today", "Today"), ("week", "Next 7 days"), ("past", "Past"), ("all", "All")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Upcoming"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Show]) -> QuerySet[Show]:
        match self.value():
            case "today":
                assert isinstance(queryset, ShowQuerySet)  # noqa: S101 - for the type checker
                return queryset.today()
            case "week":
                week = Now() + Cast(models.Value("7 days"), models.DurationField())
                return queryset.filter(start_time__gt=Now(), start_time__lt=week)
            case "past":
                return queryset.filter(start_time__lte=Now())
            case "all":
                return queryset
        return queryset.filter(start_time__gt=Now())


@admin.register(Show)
class ShowAdmin(LargeTable, BackOffice[Show]):
    theatre_path = "theatre"
    form = ShowForm
    list_display = ("title", "when", "place", "state", "seat_map")
    list_filter = (TimeFilter, "status", TheatreFilter)
    sortable_by = ("when",)
    search_fields = ("movie__title",)
    search_help_text = "Movie, theatre or screen"
    autocomplete_fields = ("movie", "theatre", "screen", "price_card")
    readonly_fields = ("ends", "free_again")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("movie", "theatre", "screen", "start")}),
        ("Sales", {"fields": ("status", "price_card", "sales_open", "sales_close")}),
        ("Screening", {"fields": ("format", "language")}),
        ("Computed", {"fields": ("ends", "free_again")}),
    )
    starts = time_column("start_time", "starts (local)")
    when = time_column("start_time", "starts (local)", ordering="start_time")

    def matching(self, rows: QuerySet[Show], text: str) -> QuerySet[Show]:
        assert isinstance(rows, ShowQuerySet)  # noqa: S101 - for the type checker
        return rows.matching(text)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Show]:
        shows = super().get_queryset(request)
        assert isinstance(shows, ShowQuerySet)  # noqa: S101 - for the type checker
        return shows.with_seat_facts().select_related("movie", "theatre", "screen__theatre")

    def get_urls(self) -> list[URLPattern]:
        pages: dict[str, Callable[..., HttpResponse]] = {
            "<int:show_id>/room": room_page,
            "<int:show_id>/seat-map": seat_map_page,
            "<int:show_id>/replace-seat-map": partial(seat_map_page, replace=True),
            "<int:show_id>/reprice": repricing_page,
            "week": week_page,
            "open-week": open_week_page,
            "plan": partial(plan_page, form_class=BulkForm, title="Plan shows"),
            "copy-week": partial(plan_page, form_class=CopyForm, title="Copy week"),
        }
        pages |= {f"<int:show_id>/{page.name}": page.view for page in extra_show_pages()}
        return [
            path(
                f"{address}/",
                self.admin_site.admin_view(partial(page, show_admin=self)),
                name=f"catalog_show_{address.rpartition('/')[2].replace('-', '_')}",
            )
            for address, page in pages.items()
        ] + super().get_urls()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        pages = [page for page in extra_show_pages() if request.user.has_perm(page.permission)]
        context = {
            "extra_pages": pages,
            "may_reprice": request.user.has_perms(MAY_REPRICE),
            **(extra_context or {}),
        }
        return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        form = context["adminform"].form
        if isinstance(form, ShowForm) and form.rivals:
            record_overlaps(actor=staff_user(request), overlaps=[(form.instance, form.rivals)])
        return super().render_change_form(request, context, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Show | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        # Without change permission, read-only fields replace those of the form.
        shown = {"start": "starts", "sales_open": "sales_start", "sales_close": "sales_end"}
        return [
            (name, {"fields": [shown.get(field, field) for field in options["fields"]]})
            for name, options in self.fieldsets
        ]

    @admin.display(description="movie", ordering="movie__sort_key")
    def title(self, show: Show) -> SafeString:
        return two_lines(show.movie, " · ".join(filter(None, (show.format, show.language))))

    @admin.display(description="where", ordering="screen")
    def place(self, show: Show) -> SafeString:
        return two_lines(show.theatre, show.screen.name if show.screen else "no screen")

    @admin.display(description="status", ordering="status")
    def state(self, show: Any) -> SafeString:
        label = badge(show.status, ShowStatus(show.status).label)
        if sale_state(show) is SaleState.NOT_OPEN:
            return two_lines(label, f"online from {local(show.sales_open_at, show.theatre.zone)}")
        return label

    @admin.display(description="seats")
    def seat_map(self, show: Show) -> SafeString:
        seats = getattr(show, "seat_facts", {})
        page, text = ("seat_map", "Create seat map")
        if seats.get("total"):
            page, text = ("room", f"{seats['available']} of {seats['total']} free")
        return format_html(
            '<a class="text-link" href="{}">{}</a>',
            reverse(f"admin:catalog_show_{page}", args=[show.pk]),
            text,
        )

    @admin.display(description="online sales start")
    def sales_start(self, show: Show) -> str:
        return local(show.sales_open_at, show.theatre.zone) or "at once"

    @admin.display(description="online sales end")
    def sales_end(self, show: Show) -> str:
        return local(show.sales_close_at, show.theatre.zone) or "at the start"

    @admin.display(description="ends")
    def ends(self, show: Show) -> str:
        return local(show.end_time, show.theatre.zone) if show.pk else "from the movie's duration"

    @admin.display(description="screen free again")
    def free_again(self, show: Show) -> str:
        if not show.pk:
            return "from the screen's turnaround"
        return local(show.occupied_until, show.theatre.zone)
