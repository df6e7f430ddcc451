"""What a 304 costs, for every read with an ETag."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from bookings.models import Booking
from catalog.models import Show
from tests.bookings.calls import bought
from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db

READS = (
    "/api/movies",
    "/api/movies/{id}",
    "/api/movies/{movie_id}/shows",
    "/api/theatres",
    "/api/theatres/{id}",
    "/api/theatres/{theatre_id}/shows",
    "/api/shows",
    "/api/shows/{id}",
    "/api/shows/{show_id}/layout",
    "/api/shows/{show_id}/seats",
    "/api/shows/{show_id}/seats?fields=status",
    "/api/bookings",
    "/api/bookings/{id}",
    "/api/orders",
    "/api/orders/{reference}",
)
SAME_FOR_ALL = (
    *("/api/movies", "/api/movies/{id}", "/api/theatres", "/api/theatres/{id}"),
    "/api/shows/{show_id}/layout",
)
PRIVATE = ("/api/bookings", "/api/orders")


@pytest.fixture
def ids(customer: APIClient) -> dict[str, dict[str, Any]]:
    """Parameters for each address; the customer has bookings of all of them."""
    show: Show = ShowFactory()
    answer = bought(customer, *make_seats(show, "SSS")[:2])
    return {
        "/api/movies/{id}": {"id": show.movie_id},
        "/api/theatres/{id}": {"id": show.theatre_id},
        "/api/shows/{id}": {"id": show.pk},
        "/api/bookings/{id}": {"id": answer["booking"]["id"]},
        "/api/orders/{reference}": {"reference": answer["order"]["reference"]},
        "": {"movie_id": show.movie_id, "theatre_id": show.theatre_id, "show_id": show.pk},
    }


def answered_304(client: APIClient, address: str) -> list[str]:
    """Read the address, read it again unchanged, and return the statements of the second time."""
    client.get(address)  # fills the caches of the process
    first = client.get(address)
    with CaptureQueriesContext(connection) as captured:
        again = client.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without one"])
def test_a_304_takes_one_statement_besides_the_check_of_the_user(
    api: APIClient, customer: APIClient, ids: dict[str, dict[str, Any]], path: str, known: bool
) -> None:
    private = path.startswith(PRIVATE)
    if private and not known:
        assert api.get("/api/bookings").status_code == 401
        return
    texts = answered_304(customer if known else api, path.format(**ids.get(path, ids[""])))
    checks = [text for text in texts if text.startswith('SELECT "users"."id"')]
    assert len(checks) == private, texts
    assert len(texts) - len(checks) == 1, texts


def caching(response: HttpResponse) -> tuple[str, set[str]]:
    return response["Cache-Control"], set(response["Vary"].split(", "))


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without one"])
def test_only_movies_theatres_and_layouts_are_public_for_everybody(
    api: APIClient, customer: APIClient, ids: dict[str, dict[str, Any]], path: str, known: bool
) -> None:
    client = customer if known else api
    if path.startswith(PRIVATE) and not known:
        return
    first = client.get(path.format(**ids.get(path, ids[""])))
    again = client.get(first.wsgi_request.get_full_path(), HTTP_IF_NONE_MATCH=first["ETag"])
    assert (first.status_code, again.status_code) == (200, 304)
    vary = {"Origin", "Accept-Encoding"}
    if path in SAME_FOR_ALL:
        expected = "public, no-cache", vary
    else:
        scope = "private" if known else "public"
        expected = f"{scope}, no-cache", {"Authorization", *vary}
    assert caching(first) == caching(again) == expected


def test_every_read_with_an_etag_is_in_the_list(api: APIClient) -> None:
    paths = api.get("/api/schema", HTTP_ACCEPT="application/json").json()["paths"]
    with_etag = {
        path
        for path, operations in paths.items()
        if any(
            p["name"] == "If-None-Match" for p in operations.get("get", {}).get("parameters", ())
        )
    }
    assert with_etag == {path.partition("?")[0] for path in READS}


def test_a_deactivated_user_gets_no_304(
    login: Callable[[User], APIClient], user: User, customer: APIClient
) -> None:
    bought(customer, *make_seats(ShowFactory(), "S"))
    booking = Booking.objects.get(user=user)
    address = f"/api/bookings/{booking.pk}"
    etag = customer.get(address)["ETag"]
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert customer.get(address, HTTP_IF_NONE_MATCH=etag).status_code == 401
