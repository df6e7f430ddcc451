"""What lists of movies and shows can be narrowed to."""

from django.contrib.postgres.fields import ArrayField
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
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
from catalog.models import Movie, Show, ShowQuerySet


class MovieFilter(FilterSet):
    """`theatre`, `date` and `now_showing` look for one show that meets all of them."""

    search = TextFilter(label="Text in the title or the description.")
    genre = TextFilter(label="One of the movie's genres, in any case.")
    theatre = IdFilter(label="Movies with a show in this theatre.")
    date = DateFilter(label="Movies with a show on this calendar day of the theatre.")
    now_showing = BooleanFilter(label="`true`: only movies with a show to come.")

    def filter_queryset(self, queryset: "QuerySet[Movie]") -> "QuerySet[Movie]":
        asked = self.form.cleaned_data
        if text := asked["search"]:
            queryset = queryset.filter(Q(title__icontains=text) | Q(description__icontains=text))
        if genre := asked["genre"]:
            lowered = Cast(Lower(Cast("genres", TextField())), ArrayField(TextField()))
            queryset = queryset.alias(lowered=lowered).filter(
                Q(("lowered__contains", [genre.lower()]))
            )
        if asked["theatre"] or asked["date"] or asked["now_showing"]:
            shows = Show.objects.listed().filter(movie=OuterRef("pk"))
            if theatre_id := asked["theatre"]:
                shows = shows.filter(theatre=theatre_id)
            if day := asked["date"]:
                shows = shows.on_local_day(day)
            if asked["now_showing"]:
                shows = shows.upcoming()
            queryset = queryset.filter(Exists(shows))
        return queryset


class ShowTimeFilter(FilterSet):
    date = DateFilter(label="Shows that start on this calendar day of their theatre.")
    to = InstantFilter(label="Shows that start before this time.")
    include_past = BooleanFilter(label="`true`: also shows that have started.")

    @classmethod
    def get_filters(cls) -> dict[str, Filter]:
        # No attribute, as `from` is a word of Python's own.
        start = InstantFilter(label="Shows that start at this time or later.")
        return {**super().get_filters(), "from": start}

    def filter_queryset(self, queryset: ShowQuerySet) -> ShowQuerySet:
        asked = self.form.cleaned_data
        if movie_id := asked.get("movie"):
            queryset = queryset.filter(movie=movie_id)
        if theatre_id := asked.get("theatre"):
            queryset = queryset.filter(theatre=theatre_id)
        if day := asked["date"]:
            queryset = queryset.on_local_day(day)
        if start := asked["from"]:
            queryset = queryset.filter(start_time__gte=start)
        if end := asked["to"]:
            queryset = queryset.filter(start_time__lt=end)
        return queryset if asked["include_past"] else queryset.upcoming()


class MovieShowFilter(ShowTimeFilter):
    theatre = IdFilter(label="Shows in this theatre.")


class TheatreShowFilter(ShowTimeFilter):
    movie = IdFilter(label="Shows of this movie.")


class ShowFilter(MovieShowFilter, TheatreShowFilter):
    """Of any movie in any theatre, unless it is said."""
