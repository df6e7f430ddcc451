"""The public endpoints of movies, theatres and shows."""

from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.db.utils import DEFAULT_DB_ALIAS
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
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
from booking_site.postgres.replica import read_from_replica, read_without_primary
from catalog.errors import ShowNotFound
from catalog.filters import (
    MovieFilter,
    MovieShowFilter,
    ShowFilter,
    TheatreFilter,
    TheatreShowFilter,
)
from catalog.list_cache import cached_list
from catalog.models import Movie, Show, Theatre
from catalog.serializers import MovieSerializer, ShowSerializer, TheatreSerializer

M = TypeVar("M", bound=Model)
Row = TypeVar("Row")


class MovieNotFound(DomainError):
    """No movie has this id."""

    code = "movie_not_found"
    status = HTTPStatus.NOT_FOUND
    message = _("This movie does not exist.")


class TheatreNotFound(DomainError):
    """No theatre has this id."""

    code = "theatre_not_found"
    status = HTTPStatus.NOT_FOUND
    message = _("This theatre does not exist.")


class PublicViewSet(GenericViewSet[M]):
    authentication_classes = (OptionalBearerAuthentication,)
    permission_classes = (AllowAny,)
    throttle_classes = (ReadThrottle,)
    default_page_size: ClassVar[int] = DEFAULT_PAGE_SIZE
    using = DEFAULT_DB_ALIAS

    def filter_queryset(self, queryset: QuerySet[M, Row]) -> QuerySet[M, Row]:
        chosen = queryset if self.using == DEFAULT_DB_ALIAS else queryset.using(self.using)
        rows: QuerySet[M, Row] = super().filter_queryset(chosen)
        return rows


class CatalogueViewSet(PublicViewSet[M], ReadOnlyModelViewSet[M]):
    not_found: ClassVar[type[MovieNotFound | TheatreNotFound | ShowNotFound]]

    def get_object(self) -> M:
        found = self.get_queryset().filter(pk=self.kwargs["pk"])
        row = read_without_primary(self.request, lambda using: found.using(using).first())
        if row is None:
            raise self.not_found
        return row


class CachedCatalogueViewSet(CatalogueViewSet[M]):
    """Caches the unfiltered list, which changes rarely."""

    table: ClassVar[str]

    def list(  # type: ignore[override] # a cached list is already rendered
        self, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        def read(using: str) -> HttpResponse:
            self.using = using
            make = super(CachedCatalogueViewSet, self).list
            # Not a list of the replica, which may be older than a version of the primary.
            if request.META["QUERY_STRING"] or using != DEFAULT_DB_ALIAS:
                return make(request, *args, **kwargs)
            return cached_list(
                table=self.table,
                # The Link header repeats them.
                origin=(request.scheme, request.META.get("HTTP_HOST")),
                make=lambda: make(request, *args, **kwargs),
            )

        if request.META["QUERY_STRING"] and "updated_since" in request.query_params:
            return read(DEFAULT_DB_ALIAS)
        return read_without_primary(request, read)


@extend_schema_view(
    list=operation("movies_list", summary="Movies, by title"),
    retrieve=operation("movies_read", summary="One movie", problems=[MovieNotFound]),
)
class MovieViewSet(CachedCatalogueViewSet[Movie]):
    queryset = Movie.objects.defer("words")
    table = Movie._meta.db_table
    default_page_size = MAX_PAGE_SIZE  # existing clients do not page this list
    serializer_class = MovieSerializer
    filterset_class = MovieFilter
    not_found = MovieNotFound


@extend_schema_view(
    list=operation("theatres_list", summary="Theatres, by name"),
    retrieve=operation("theatres_read", summary="One theatre", problems=[TheatreNotFound]),
)
class TheatreViewSet(CachedCatalogueViewSet[Theatre]):
    queryset = Theatre.objects.all()
    table = Theatre._meta.db_table
    serializer_class = TheatreSerializer
    filterset_class = TheatreFilter
    not_found = TheatreNotFound


SHOWS = (
    Show.objects.with_seat_facts()
    .select_related("movie", "theatre", "screen")
    # Only what ShowSerializer needs, because creating objects takes much of a list's time.
    .only(
        "movie__title",
        *(f"theatre__{name}" for name in ("name", "timezone", "currency", "gap_rule")),
        "screen__name",
        *("start_time", "end_time", "sales_open_at", "sales_close_at", "updated_at"),
        *("format", "language", "status"),
    )
)


class ReplicatedListMixin(ListModelMixin):
    """Lists that a replica may answer.

    With `updated_since`, the primary answers: a client that synchronizes must miss no change.
    """

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        def read(using: str) -> Response:
            self.using = using
            return super(ReplicatedListMixin, self).list(request, *args, **kwargs)

        if "updated_since" in request.query_params:
            return read(DEFAULT_DB_ALIAS)
        return read_from_replica(request, read)


@extend_schema_view(
    list=operation("shows_list", summary="Upcoming shows, by start"),
    retrieve=operation("shows_read", summary="One show", problems=[ShowNotFound]),
)
class ShowViewSet(ReplicatedListMixin, CatalogueViewSet[Show]):
    """Lists leave out cancelled shows, but the URL of one still answers, with its status.

    `ShowTimeFilter` chooses the statuses of a list.
    """

    serializer_class = ShowSerializer
    filterset_class = ShowFilter
    not_found = ShowNotFound

    def get_queryset(self) -> QuerySet[Show]:
        return SHOWS.published() if self.action == "retrieve" else SHOWS.all()


class RelatedShowsViewSet(ReplicatedListMixin, PublicViewSet[Show]):
    """The shows of one movie or theatre. Its id is the only keyword argument of the URL."""

    queryset = SHOWS.all()
    serializer_class = ShowSerializer
    related: ClassVar[type[Movie | Theatre]]
    not_found: ClassVar[type[MovieNotFound | TheatreNotFound]]

    def filter_queryset(self, queryset: QuerySet[Show, Row]) -> QuerySet[Show, Row]:
        return super().filter_queryset(queryset.filter(**self.kwargs))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().list(request, *args, **kwargs)
        # Checked last, because a movie or theatre with shows exists.
        if not response.data:
            (pk,) = self.kwargs.values()
            if not self.related._default_manager.using(self.using).filter(pk=pk).exists():
                raise self.not_found
        return response


@extend_schema_view(
    list=operation(
        "movie_shows_list", summary="Upcoming shows of a movie, by start", problems=[MovieNotFound]
    )
)
class MovieShowsViewSet(RelatedShowsViewSet):
    default_page_size = MAX_PAGE_SIZE  # existing clients do not page this list
    filterset_class = MovieShowFilter
    related = Movie
    not_found = MovieNotFound


@extend_schema_view(
    list=operation(
        "theatre_shows_list",
        summary="Upcoming shows of a theatre, by start",
        problems=[TheatreNotFound],
    )
)
class TheatreShowsViewSet(RelatedShowsViewSet):
    filterset_class = TheatreShowFilter
    related = Theatre
    not_found = TheatreNotFound
