"""Minimal views, to test what all views share."""

from collections.abc import Iterator
from typing import Any

from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django_filters.rest_framework import FilterSet
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from booking_site import urls
from booking_site.api.errors import DomainError
from booking_site.api.filters import (
    BooleanFilter,
    DateFilter,
    IdFilter,
    InstantFilter,
)
from booking_site.api.filters import TextFilter as Text
from booking_site.api.pagination import PageNumbers
from booking_site.api.parsing import (
    EmptySerializer,
    IdField,
    StrictBooleanField,
    StrictCharField,
    StrictEmailField,
    StrictSerializer,
    StrictUUIDField,
)

handler400 = urls.handler400
handler403 = urls.handler403
handler404 = urls.handler404
handler500 = urls.handler500


class SeatTaken(DomainError):
    """The seat is gone."""

    code = "seat_taken_in_test"


class Wanted(StrictSerializer):
    show_id = IdField()
    seat_ids = serializers.ListField(child=IdField(), required=False)
    name = StrictCharField(required=False)
    email = StrictEmailField(required=False)
    hold_id = StrictUUIDField(required=False)
    accessible = StrictBooleanField(required=False)


class Open(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]


class Echo(Open):
    def post(self, request: Request) -> Response:
        wanted = Wanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response({"name": wanted.validated_data.get("name")})


class Bodiless(Open):
    def post(self, request: Request) -> Response:
        EmptySerializer(data=request.data).is_valid(raise_exception=True)
        return Response({"done": True})


class Numbers(Open):
    def get(self, request: Request) -> Response:
        paginator = PageNumbers()
        page = paginator.paginate_queryset(range(1, 1202), request)
        return paginator.get_paginated_response(page)


class Encoded(Open):
    """Answers with a body that is compressed already."""

    def get(self, request: Request) -> HttpResponse:
        headers = {"Content-Encoding": "gzip"}
        return HttpResponse(b"x" * 2000, "application/json", headers=headers)


class Picture(Open):
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(b"x" * 2000, "image/png")


class Filters(FilterSet):
    theatre = IdFilter(method="keep")
    now_showing = BooleanFilter(method="keep")
    date = DateFilter(method="keep")
    since = InstantFilter(method="keep")
    search = Text(method="keep")

    def keep(self, queryset: Any, name: str, value: Any) -> Any:
        self.seen = {**getattr(self, "seen", {}), name: value}
        return queryset


class Filtered(Open):
    def get(self, request: Request) -> Response:
        filters = Filters(request.query_params, queryset=User.objects.none())
        if not filters.is_valid():
            raise serializers.ValidationError(filters.errors)
        assert filters.qs is not None
        return Response({name: str(value) for name, value in getattr(filters, "seen", {}).items()})


class Item(Open):
    def get(self, request: Request, pk: int) -> Response:
        return Response({"pk": pk})


class Refusing(Open):
    def get(self, request: Request) -> Response:
        raise SeatTaken("Seat A1 is gone.", seat_ids=[1], retry_after=7)


class Failing(Open):
    def get(self, request: Request) -> Response:
        raise RuntimeError("an internal secret")


class Impatient(Open):
    """Make PostgreSQL raise the sqlstate in the query."""

    def get(self, request: Request) -> Response:
        state = request.query_params["sqlstate"]
        with connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
        return Response({})


def failing_page(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("an internal secret")


def streaming_page(request: HttpRequest) -> StreamingHttpResponse:
    """Stream a body that breaks off if the query says so."""

    def body() -> Iterator[str]:
        yield "first,"
        if "break" in request.GET:
            raise OperationalError("the connection is closed")
        yield "last"

    return StreamingHttpResponse(body())


def meta_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(repr(request.META), content_type="text/plain; charset=utf-8")


def impatient_page(request: HttpRequest) -> HttpResponse:
    raise OperationalError("the connection is closed")


urlpatterns = [
    path("api/echo", Echo.as_view()),
    path("api/bodiless", Bodiless.as_view()),
    path("api/numbers", Numbers.as_view()),
    path("api/filtered", Filtered.as_view()),
    path("api/items/<bigint:pk>", Item.as_view()),
    path("api/auth/secret/<bigint:pk>", Item.as_view()),
    path("api/auth/numbers", Numbers.as_view()),
    path("api/encoded", Encoded.as_view()),
    path("api/picture", Picture.as_view()),
    path("api/holds/<bigint:pk>", Item.as_view()),
    path("api/refusing", Refusing.as_view()),
    path("api/failing", Failing.as_view()),
    path("api/impatient", Impatient.as_view()),
    path("failing", failing_page),
    path("impatient", impatient_page),
    path("streaming", streaming_page),
    path("meta", meta_page),
    *urls.urlpatterns,
]
