"""The public catalogue: what is shown where and when, for everybody to read."""

from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema_view
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from accounts.authentication import OptionalBearerAuthentication
from accounts.throttling import ReadThrottle
from booking_site.api.errors import DomainError
from booking_site.api.openapi.schema import operation
from booking_site.api.pagination import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from catalog.errors import ShowNotFound
from catalog.filters import MovieFilter, MovieShowFilter, ShowFilter, TheatreShowFilter
from catalog.list_cache import cached_list
from catalog.models import Movie, Show, Theatre
from catalog.serializers import MovieSerializer, ShowSerializer, TheatreSerializer

M = TypeVar("M", bound=Model)
Row = TypeVar("Row")


class MovieNotFound(DomainError):
    """There is no such movie."""

    code = "movie_not_found"
    status = HTTPStatus.NOT_FOUND
    message = "There is no such movie."


class TheatreNotFound(DomainError):
    """There is no such theatre."""

    code = "theatre_not_found"
    status = HTTPStatus.NOT_FOUND
    message = "There is no such theatre."


class Public(GenericViewSet[M]):
    authentication_classes = (OptionalBearerAuthentication,)
    permission_classes = (AllowAny,)
    throttle_classes = (ReadThrottle,)
    default_page_size: ClassVar[int] = DEFAULT_PAGE_SIZE


class Catalogue(Public[M], ReadOnlyModelViewSet[M]):
    """A list, and each item of it under its id."""

    absent: ClassVar[type[MovieNotFound | TheatreNotFound | ShowNotFound]]

    def get_object(self) -> M:
        found = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise self.absent
        return found


class CachedCatalogue(Catalogue[M]):
    """A list that everybody reads and that rarely changes."""

    table: ClassVar[str]

    def list(  # type: ignore[override] # a cached list is already rendered
        self, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if request.META["QUERY_STRING"]:
            return super().list(request, *args, **kwargs)
        return cached_list(
            table=self.table,
            address=request.build_absolute_uri(),  # the Link header repeats it
            make=lambda: super(CachedCatalogue, self).list(request, *args, **kwargs),
        )


@extend_schema_view(
    list=operation("movies_list", summary="Movies, by title"),
    retrieve=operation("movies_read", summary="One movie", problems=[MovieNotFound]),
)
class MovieViewSet(CachedCatalogue[Movie]):
    queryset = Movie.objects.all()
    table = Movie._meta.db_table
    default_page_size = MAX_PAGE_SIZE  # existing clients do not page this list
    serializer_class = MovieSerializer
    filterset_class = MovieFilter
    absent = MovieNotFound


@extend_schema_view(
    list=operation("theatres_list", summary="Theatres, by name"),
    retrieve=operation("theatres_read", summary="One theatre", problems=[TheatreNotFound]),
)
class TheatreViewSet(CachedCatalogue[Theatre]):
    queryset = Theatre.objects.all()
    table = Theatre._meta.db_table
    serializer_class = TheatreSerializer
    absent = TheatreNotFound


SHOWS = (
    Show.objects.with_seat_facts()
    .select_related("movie", "theatre", "screen")
    .defer("movie__description", "screen__layout")
)


@extend_schema_view(
    list=operation("shows_list", summary="Shows to come, by start"),
    retrieve=operation("shows_read", summary="One show", problems=[ShowNotFound]),
)
class ShowViewSet(Catalogue[Show]):
    """Cancelled shows are in no list; who has the address of one is told."""

    serializer_class = ShowSerializer
    filterset_class = ShowFilter
    absent = ShowNotFound

    def get_queryset(self) -> QuerySet[Show]:
        return SHOWS.published() if self.action == "retrieve" else SHOWS.listed()


class ShowsOf(Public[Show], ListModelMixin):
    """The shows of one movie or theatre, whose id is the only one in the address."""

    queryset = SHOWS.listed()
    serializer_class = ShowSerializer


@extend_schema_view(
    list=operation(
        "movie_shows_list", summary="Shows of a movie to come, by start", problems=[MovieNotFound]
    )
)
class MovieShowsViewSet(ShowsOf):
    default_page_size = MAX_PAGE_SIZE  # existing clients do not page this list
    filterset_class = MovieShowFilter

    def filter_queryset(self, queryset: QuerySet[Show, Row]) -> QuerySet[Show, Row]:
        return super().filter_queryset(queryset.filter(movie=self.kwargs["movie_id"]))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().list(request, *args, **kwargs)
        # Asked last: where there are shows, there is a movie.
        if not response.data and not Movie.objects.filter(pk=self.kwargs["movie_id"]).exists():
            raise MovieNotFound
        return response


@extend_schema_view(
    list=operation(
        "theatre_shows_list",
        summary="Shows of a theatre to come, by start",
        problems=[TheatreNotFound],
    )
)
class TheatreShowsViewSet(ShowsOf):
    filterset_class = TheatreShowFilter

    def filter_queryset(self, queryset: QuerySet[Show, Row]) -> QuerySet[Show, Row]:
        return super().filter_queryset(queryset.filter(theatre=self.kwargs["theatre_id"]))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().list(request, *args, **kwargs)
        # Asked last: where there are shows, there is a theatre.
        if not response.data and not Theatre.objects.filter(pk=self.kwargs["theatre_id"]).exists():
            raise TheatreNotFound
        return response
