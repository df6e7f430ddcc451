"""The filters of the lists of movies, theatres and shows."""

from typing import Any, TypeVar
from unicodedata import normalize

from django.contrib.postgres.fields import ArrayField
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Lower
from django_filters import Filter
from django_filters.rest_framework import FilterSet

from booking_site.api.filters import (
    BooleanFilter,
    DateFilter,
    IdFilter,
    InstantFilter,
    TextFilter,
)
from booking_site.postgres.words import folded, words_beginning_with
from catalog.models import Movie, Show, ShowQuerySet

Rows = TypeVar("Rows", bound=QuerySet[Any])


def _matching(queryset: Rows, field: str, text: str) -> Rows:
    """Return the rows whose field equals the text, ignoring case and accents."""
    return queryset.alias(**{f"{field}_folded": folded(field)}).filter(
        (f"{field}_folded", folded(Value(text)))
    )


class UpdatedSinceFilter(FilterSet):
    """Rows that have changed, in the order of the changes."""

    updated_since = InstantFilter(
        label="Only items whose `updated_at` is at this time or later. To synchronize, send the"
        " `Date` of the first response of the last synchronization, less ten minutes, because a"
        " change is visible only once its transaction has ended. Follow `next` of the header"
        " `Link`: page numbers would skip items when others change meanwhile. Deleted and"
        " unpublished items are not listed."
    )
    after_id = IdFilter(
        label="With `updated_since`: of the items whose `updated_at` is exactly that time, only"
        " those with a larger id. Links to the next page have it."
    )

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if since := self.form.cleaned_data["updated_since"]:
            queryset = queryset.filter(updated_at__gte=since).order_by("updated_at", "pk")
            if after_id := self.form.cleaned_data["after_id"]:
                queryset = queryset.exclude(updated_at=since, pk__lte=after_id)
        return queryset


class TheatreFilter(UpdatedSinceFilter):
    """The filter of the list of theatres."""


class MovieFilter(UpdatedSinceFilter):
    """`theatre`, `date` and `now_showing` must be met by the same show."""

    search = TextFilter(
        label="Beginnings of words in the title or the description. Case, accents, apostrophes and"
        " hyphens are ignored."
    )
    genre = TextFilter(label="One of the movie's genres, in any case.")
    language = TextFilter(label="The movie's original language. Case and accents are ignored.")
    theatre = IdFilter(label="Movies with a show in this theatre.")
    date = DateFilter(label="Movies with a show on this calendar day in the theatre's time zone.")
    now_showing = BooleanFilter(label="`true`: only movies with an upcoming show.")

    def filter_queryset(self, queryset: "QuerySet[Movie]") -> "QuerySet[Movie]":
        queryset = super().filter_queryset(queryset)
        values = self.form.cleaned_data
        if text := values["search"]:
            queryset = queryset.filter(words=words_beginning_with(text))
        if genre := values["genre"]:
            lowered = Cast(Lower(Cast("genres", TextField())), ArrayField(TextField()))
            queryset = queryset.alias(lowered=lowered).filter(
                Q(("lowered__contains", [normalize("NFC", genre).lower()]))
            )
        if language := values["language"]:
            queryset = _matching(queryset, "language", language)
        if values["theatre"] or values["date"] or values["now_showing"]:
            shows = Show.objects.listed().filter(movie=OuterRef("pk"))
            if theatre_id := values["theatre"]:
                shows = shows.filter(theatre=theatre_id)
            if day := values["date"]:
                shows = shows.on_local_day(day)
            if values["now_showing"]:
                shows = shows.upcoming()
            queryset = queryset.filter(Exists(shows))
        return queryset


class ShowTimeFilter(UpdatedSinceFilter):
    """With `updated_since`, cancelled and past shows are listed too, or a client would miss them.

    The view's queryset must have shows of every status.
    """

    date = DateFilter(label="Shows that start on this calendar day in their theatre's time zone.")
    to = InstantFilter(label="Shows that start before this time.")
    include_past = BooleanFilter(
        label="`true`: also shows that have started. With `updated_since` they are always listed."
    )
    format = TextFilter(label="The show's format, such as `IMAX`. Case and accents are ignored.")
    language = TextFilter(label="The language of the screening. Case and accents are ignored.")

    @classmethod
    def get_filters(cls) -> dict[str, Filter]:
        # Not an attribute, because `from` is a keyword.
        start = InstantFilter(label="Shows that start at this time or later.")
        return {**super().get_filters(), "from": start}

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        assert isinstance(queryset, ShowQuerySet)  # noqa: S101 - for the type checker
        values = self.form.cleaned_data
        if values["updated_since"]:
            shows = queryset.published()
        elif values["include_past"]:
            shows = queryset.listed()
        else:
            shows = queryset.listed().upcoming()
        if movie_id := values.get("movie"):
            shows = shows.filter(movie=movie_id)
        if theatre_id := values.get("theatre"):
            shows = shows.filter(theatre=theatre_id)
        for field in ("format", "language"):
            if text := values[field]:
                shows = _matching(shows, field, text)
        if day := values["date"]:
            shows = shows.on_local_day(day)
        if start := values["from"]:
            shows = shows.filter(start_time__gte=start)
        if end := values["to"]:
            shows = shows.filter(start_time__lt=end)
        return super().filter_queryset(shows)


class MovieShowFilter(ShowTimeFilter):
    theatre = IdFilter(label="Shows in this theatre.")


class TheatreShowFilter(ShowTimeFilter):
    movie = IdFilter(label="Shows of this movie.")


class ShowFilter(MovieShowFilter, TheatreShowFilter):
    """The filters of both lists above."""
