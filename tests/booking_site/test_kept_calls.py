"""A call that was answered before is answered without its view, and still by what it says."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.urls import resolve
from rest_framework.test import APIClient
from rest_framework.views import APIView
from structlog.testing import capture_logs

from accounts.models import User
from booking_site import kept_calls
from catalog.models import Show, ShowStatus
from tests.bookings.calls import bought
from tests.factories import MovieFactory, ShowFactory, make_seats

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that views have answered."""
    addresses = []
    dispatch = APIView.dispatch

    def told(self: APIView, request: Any, *args: Any, **kwargs: Any) -> Any:
        addresses.append(request.path)
        return dispatch(self, request, *args, **kwargs)

    monkeypatch.setattr(APIView, "dispatch", told)
    return addresses


@pytest.fixture
def show(db: None) -> Show:
    show: Show = ShowFactory()
    make_seats(show, "SSS")
    return show


def addresses_of(show: Show) -> list[str]:
    return ["/api/movies", "/api/theatres", f"/api/shows/{show.pk}/seats"]


def headers_of(response: HttpResponse) -> dict[str, str]:
    return {name: value for name, value in response.items() if name != "X-Request-ID"}


@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without one"])
def test_the_second_answer_is_the_first_without_its_view(
    api: APIClient, customer: APIClient, show: Show, viewed: list[str], known: bool
) -> None:
    client = customer if known else api
    for address in addresses_of(show):
        first = client.get(address)
        viewed.clear()
        second = client.get(address, HTTP_ORIGIN="http://localhost:5173")
        assert viewed == []
        assert second.content == first.content
        assert second["Access-Control-Allow-Origin"] == "http://localhost:5173"
        assert headers_of(client.get(address)) == headers_of(first)
        head = client.head(address)
        assert (head.content, headers_of(head)) == (b"", headers_of(first))
        unchanged = client.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
        assert (unchanged.status_code, unchanged["ETag"]) == (304, first["ETag"])
        assert viewed == []


def test_callers_see_their_own_seats_in_a_call_that_others_made(
    api: APIClient, customer: APIClient, user: User, show: Show, viewed: list[str]
) -> None:
    address = f"/api/shows/{show.pk}/seats"
    assert [seat["mine"] for seat in api.get(address).json()] == [False] * 3
    bought(customer, show.seats.first())
    viewed.clear()
    answers = customer.get(address), api.get(address)
    assert answers[0]["ETag"] != answers[1]["ETag"]
    mine, theirs = (answer.json()[0] for answer in answers)
    assert (mine["user_id"], mine["mine"]) == (user.pk, True)
    assert (theirs["status"], theirs["user_id"], theirs["mine"]) == ("booked", None, False)
    assert viewed == []


def test_a_bad_token_is_refused_as_by_the_view(api: APIClient, show: Show) -> None:
    for address in addresses_of(show):
        assert api.get(address).status_code == 200
        refused = api.get(address, HTTP_AUTHORIZATION="Bearer nonsense")
        assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
        assert refused["WWW-Authenticate"] == "Bearer"


def test_a_show_that_is_withdrawn_is_not_found_any_more(api: APIClient, show: Show) -> None:
    address = f"/api/shows/{show.pk}/seats"
    assert api.get(address).status_code == 200
    Show.objects.update(status=ShowStatus.PLANNED)
    assert api.get(address).status_code == 404
    Show.objects.update(status=ShowStatus.OPEN)
    assert api.get(address).status_code == 200


@pytest.mark.parametrize(
    ("other", "status"),
    [
        ({"HTTP_HOST": "elsewhere.example"}, 400),
        ({"HTTP_HOST": ""}, 400),
        ({"HTTP_ACCEPT": "text/html"}, 406),
        ({"QUERY_STRING": "page=0"}, 400),
    ],
    ids=[
        "a host that is not ours",
        "an empty host",
        "a media type that is not JSON",
        "a bad query",
    ],
)
def test_another_call_goes_to_the_view(api: APIClient, other: dict[str, Any], status: int) -> None:
    MovieFactory()
    for _ in range(2):
        assert api.get("/api/movies").status_code == 200
        assert api.get("/api/movies", **other).status_code == status


def test_a_list_has_the_links_of_its_own_scheme(api: APIClient) -> None:
    MovieFactory()
    for _ in range(2):
        for scheme in ("http", "https"):
            response = api.get("/api/movies", secure=scheme == "https", HTTP_HOST="testserver")
            assert f"<{scheme}://testserver/" in response["Link"]


def test_a_list_that_has_changed_has_its_own_headers(api: APIClient, viewed: list[str]) -> None:
    MovieFactory()
    before = [api.get("/api/movies") for _ in range(2)][-1]
    MovieFactory()
    after = [api.get("/api/movies") for _ in range(2)][-1]
    assert (before["X-Total-Count"], after["X-Total-Count"]) == ("1", "2")
    assert before["ETag"] != after["ETag"]
    again = api.get("/api/movies", HTTP_IF_NONE_MATCH=after["ETag"])
    assert (again.status_code, again["X-Total-Count"]) == (304, "2")


def test_ports_that_go_without_saying_are_not_those_that_were_said(api: APIClient) -> None:
    MovieFactory()
    for _ in range(2):
        for said, written in (("testserver:80", "testserver:80"), (None, "testserver")):
            named = {"HTTP_HOST": said} if said else {}
            assert f"<http://{written}/" in api.get("/api/movies", **named)["Link"]


def test_who_writes_to_the_address_of_a_kept_call_is_refused(api: APIClient, show: Show) -> None:
    for address in addresses_of(show):
        api.get(address)
        assert api.delete(address).status_code == 405


def test_the_log_names_the_route_and_the_caller(
    customer: APIClient, user: User, show: Show, viewed: list[str]
) -> None:
    address = f"/api/shows/{show.pk}/seats"
    customer.get(address)
    viewed.clear()
    with capture_logs() as lines:
        customer.get(address)
    [line] = lines
    assert (line["route"], line["user_id"], line["sql"]) == (
        "api/shows/<bigint:show_id>/seats",
        user.pk,
        1,
    )
    assert viewed == []


def test_a_database_that_is_too_busy_is_told_to_other_sites_pages_too(
    api: APIClient, show: Show
) -> None:
    def refuse(*call: Any) -> None:
        raise OperationalError("canceling statement due to statement timeout")

    api.raise_request_exception = False
    for address in addresses_of(show):
        api.get(address)
        with connection.execute_wrapper(refuse), capture_logs() as lines:
            busy = api.get(address, HTTP_ORIGIN="http://localhost:5173")
        assert (busy.status_code, busy.json()["code"]) == (503, "busy")
        assert (busy["Retry-After"], busy["X-Frame-Options"]) == ("2", "DENY")
        assert "Access-Control-Allow-Origin" in busy
        assert lines[-1]["route"] == resolve(address).route


def test_no_more_than_so_many_calls_are_kept(
    api: APIClient, show: Show, viewed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_calls._kept, "limit", 2)
    first, *others = addresses_of(show)
    for address in (first, *others, first):
        api.get(address)
    assert viewed == [first, *others, first]
    assert len(kept_calls._kept) == 2


def test_what_a_client_writes_at_length_is_not_kept(api: APIClient, viewed: list[str]) -> None:
    host = {"HTTP_HOST": "testserver:" + "0" * 500 + "1"}
    accept = {"HTTP_ACCEPT": "application/json;q=" + "0" * 500 + "1"}
    for written in (host, host, accept, accept):
        api.get("/api/theatres", **written)
    assert viewed == ["/api/theatres"] * 4
