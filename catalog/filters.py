"""The filters of the lists of movies and shows."""

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


def _written(queryset: Rows, field: str, text: str) -> Rows:
    """Return the rows whose field is this text, without case and accents."""
    return queryset.alias(**{f"{field}_folded": folded(field)}).filter(
        (f"{field}_folded", folded(Value(text)))
    )


class MovieFilter(FilterSet):
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
        values = self.form.cleaned_data
        if text := values["search"]:
            queryset = queryset.filter(words=words_beginning_with(text))
        if genre := values["genre"]:
            lowered = Cast(Lower(Cast("genres", TextField())), ArrayField(TextField()))
            queryset = queryset.alias(lowered=lowered).filter(
                Q(("lowered__contains", [normalize("NFC", genre).lower()]))
            )
        if language := values["language"]:
            queryset = _written(queryset, "language", language)
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


class ShowTimeFilter(FilterSet):
    date = DateFilter(label="Shows that start on this calendar day in their theatre's time zone.")
    to = InstantFilter(label="Shows that start before this time.")
    include_past = BooleanFilter(label="`true`: also shows that have started.")
    format = TextFilter(label="The show's format, such as `IMAX`. Case and accents are ignored.")
    language = TextFilter(label="The language of the screening. Case and accents are ignored.")

    @classmethod
    def get_filters(cls) -> dict[str, Filter]:
        # Not an attribute, because `from` is a keyword.
        start = InstantFilter(label="Shows that start at this time or later.")
        return {**super().get_filters(), "from": start}

    def filter_queryset(self, queryset: ShowQuerySet) -> ShowQuerySet:
        values = self.form.cleaned_data
        if movie_id := values.get("movie"):
            queryset = queryset.filter(movie=movie_id)
        if theatre_id := values.get("theatre"):
            queryset = queryset.filter(theatre=theatre_id)
        for field in ("format", "language"):
            if text := values[field]:
                queryset = _written(queryset, field, text)
        if day := values["date"]:
            queryset = queryset.on_local_day(day)
        if start := values["from"]:
            queryset = queryset.filter(start_time__gte=start)
        if end := values["to"]:
            queryset = queryset.filter(start_time__lt=end)
        return queryset if values["include_past"] else queryset.upcoming()


class MovieShowFilter(ShowTimeFilter):
    theatre = IdFilter(label="Shows in this theatre.")


class TheatreShowFilter(ShowTimeFilter):
    movie = IdFilter(label="Shows of this movie.")


class ShowFilter(MovieShowFilter, TheatreShowFilter):
    """The filters of both lists above."""
