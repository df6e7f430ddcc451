"""Movies in the back office."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Exists, Field, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from booking_site.back_office.filters import ConditionFilter
from booking_site.postgres.words import words_beginning_with
from catalog.admin.exchange import ImportExportAdmin
from catalog.admin.programme.durations import MAY_APPLY, durations_page
from catalog.exchange.tables import MovieTable
from catalog.models import Movie, Show
from catalog.programme.durations import plan_durations
from catalog.staff import theatres_of

HAS_SHOWS = Q(Exists(Show.objects.upcoming().filter(movie=OuterRef("pk"))))


class ProgrammeFilter(ConditionFilter):
    title = "programme"
    parameter_name = "programme"
    conditions = {
        "ahead": ("With upcoming shows", HAS_SHOWS),
        "none": ("Without upcoming shows", ~HAS_SHOWS),
    }


@admin.register(Movie)
class MovieAdmin(ImportExportAdmin[Movie]):
    table = MovieTable
    list_display = (
        "title",
        "running_time",
        "certificate",
        "language",
        "genre_list",
        "release_date",
        "ahead",
    )
    list_filter = (ProgrammeFilter, "certificate", "language")
    search_fields = ("title", "description")
    ordering = ("sort_key", "title", "id")  # GROUP BY drops the default ordering
    search_help_text = "Title or description"
    readonly_fields = ("created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("title", "description", "duration_minutes")}),
        (
            "For customers",
            {"fields": ("certificate", "language", "genres", "poster_url")},
        ),
        ("Run", {"fields": (("release_date", "run_ends_on"),)}),
        ("History", {"fields": ("created_at", "updated_at"), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Movie]:
        ahead = Count("shows", filter=Q(shows__start_time__gt=Now()))
        return super().get_queryset(request).annotate(shows_ahead=ahead)

    def matching(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(words=words_beginning_with(text))

    def get_urls(self) -> list[URLPattern]:
        durations = self.admin_site.admin_view(partial(durations_page, movie_admin=self))
        return [
            path("<int:movie_id>/durations/", durations, name="catalog_movie_durations"),
            *super().get_urls(),
        ]

    def response_change(self, request: HttpRequest, obj: Movie) -> HttpResponse:
        """Warn about upcoming shows that still end by the former duration."""
        if obj.duration_minutes and request.user.has_perm(MAY_APPLY):
            outdated = len(plan_durations(movie=obj, theatres=theatres_of(request.user)))
            if outdated:
                messages.warning(request, _outdated_ends(obj, outdated))
        return super().response_change(request, obj)

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "poster_url":
            kwargs["assume_scheme"] = "https"  # silences Django's deprecation warning
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="running time", ordering="duration_minutes")
    def running_time(self, movie: Movie) -> str:
        if movie.duration_minutes is None:
            return ""
        hours, minutes = divmod(movie.duration_minutes, 60)
        return f"{hours} h {minutes:02} min"

    @admin.display(description="genres")
    def genre_list(self, movie: Movie) -> str:
        return ", ".join(movie.genres)

    @admin.display(description="upcoming shows", ordering="shows_ahead")
    def ahead(self, movie: Movie) -> int:
        return int(getattr(movie, "shows_ahead", 0))


def _outdated_ends(movie: Movie, count: int) -> str:
    return format_html(
        '{} planned with the former duration. <a class="text-link" href="{}">Update end times</a>',
        "1 upcoming show was" if count == 1 else f"{count} upcoming shows were",
        reverse("admin:catalog_movie_durations", args=[movie.pk]),
    )
