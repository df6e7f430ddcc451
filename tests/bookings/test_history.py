"""Users read their own bookings and orders only."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from booking_site.api.fields import utc_text
from catalog.models import Seat, Show
from tests.bookings.calls import bought, refusal, start_in
from tests.factories import ScreenFactory, SeatFactory, ShowFactory, make_seats

pytestmark = pytest.mark.django_db


@pytest.fixture
def seats(show: Show) -> list[Seat]:
    return make_seats(show, "SSSSSS")


def ids(client: APIClient, query: str = "") -> list[int]:
    response = client.get(f"/api/bookings{query}")
    assert response.status_code == 200, response.content
    return [each["id"] for each in response.json()]


def references(client: APIClient, query: str = "") -> list[str]:
    response = client.get(f"/api/orders{query}")
    assert response.status_code == 200, response.content
    return [each["reference"] for each in response.json()]


def where_and_when(show: Show) -> dict[str, Any]:
    return {
        "movie_id": show.movie_id,
        "movie_title": show.movie.title,
        "theatre_id": show.theatre_id,
        "theatre_name": show.theatre.name,
        "screen_name": show.screen.name if show.screen else None,
        "start_time": show.start_time.isoformat().replace("+00:00", "Z"),
        "end_time": show.end_time and show.end_time.isoformat().replace("+00:00", "Z"),
        "local_start_time": show.start_time.astimezone(show.theatre.zone).isoformat(),
        "timezone": show.theatre.timezone,
        "cancellable_until": utc_text(show.start_time - timedelta(hours=1)),
    }


def test_a_booking_has_the_place_and_time_of_its_show(
    customer: APIClient, show: Show, seats: list[Seat]
) -> None:
    booking = bought(customer, seats[0])["booking"]
    read = customer.get(f"/api/bookings/{booking['id']}")
    assert read.json() == {**booking, **where_and_when(show), "cancelled_at": None}
    assert customer.get("/api/bookings").json() == [read.json()]
    assert read["Cache-Control"] == "private, no-cache"
    unchanged = customer.get(f"/api/bookings/{booking['id']}", HTTP_IF_NONE_MATCH=read["ETag"])
    assert unchanged.status_code == 304


def test_a_booking_on_a_screen_names_it(customer: APIClient, show: Show, seats: list[Seat]) -> None:
    screen = ScreenFactory(theatre=show.theatre)
    Show.objects.update(screen=screen, occupied_until=show.end_time)
    bought(customer, seats[0])
    assert customer.get("/api/bookings").json()[0]["screen_name"] == screen.name


def test_an_order_holds_its_bookings(customer: APIClient, show: Show, seats: list[Seat]) -> None:
    answer = bought(customer, seats[2], seats[0])
    read = customer.get(f"/api/orders/{answer['order']['reference']}").json()
    bookings = read.pop("bookings")
    assert read == {**answer["order"], **where_and_when(show)}
    assert [
        each.items() <= sold.items()
        for each, sold in zip(bookings, answer["bookings"], strict=True)
    ] == [True, True]
    assert customer.get("/api/orders").json() == [{**read, "bookings": bookings}]


def test_bookings_of_an_order_are_listed_by_section_row_and_number(
    customer: APIClient, show: Show
) -> None:
    rows = ["A", "AA", "Balcony A", "Balcony AA", "Circle A"]
    sections = ["", "", "Balcony", "Balcony", "Circle"]
    seats = [
        SeatFactory(show=show, row=row, section=section, number=1)
        for row, section in reversed(list(zip(rows, sections, strict=True)))
    ]
    answer = bought(customer, *seats)
    read = customer.get(f"/api/orders/{answer['order']['reference']}").json()
    for bookings in (answer["bookings"], read["bookings"]):
        assert [booking["row"] for booking in bookings] == rows
        assert [booking["section"] for booking in bookings] == sections


@pytest.mark.parametrize("spell", [str.lower, lambda text: text.replace("-", "")])
def test_a_reference_is_accepted_as_customers_type_it(
    customer: APIClient, seats: list[Seat], spell: Callable[[str], str]
) -> None:
    reference = bought(customer, seats[0])["order"]["reference"]
    assert customer.get(f"/api/orders/{spell(reference)}").json()["reference"] == reference


def test_newest_come_first(customer: APIClient, seats: list[Seat]) -> None:
    answers = [bought(customer, seat) for seat in seats[:3]]
    assert ids(customer) == [each["booking"]["id"] for each in reversed(answers)]
    assert references(customer) == [each["order"]["reference"] for each in reversed(answers)]


def test_users_cannot_see_bookings_of_others(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    answer = bought(rival, seats[0])
    assert (ids(customer), references(customer)) == ([], [])
    for number in (answer["booking"]["id"], 2**53 - 1):
        response = customer.get(f"/api/bookings/{number}")
        assert refusal(response) == (404, "booking_not_found")
    for reference in (answer["order"]["reference"], "AAAA-AAAA"):
        response = customer.get(f"/api/orders/{reference}")
        assert refusal(response) == (404, "order_not_found")


@pytest.mark.parametrize(
    "address",
    ["/api/bookings/0", "/api/bookings/x", f"/api/bookings/{2**53}", "/api/orders/short"],
)
def test_an_unknown_id_is_not_found(customer: APIClient, address: str) -> None:
    assert refusal(customer.get(address))[0] == 404


@pytest.mark.parametrize("address", ["/api/bookings", "/api/orders", "/api/holds"])
def test_reading_needs_a_token(api: APIClient, address: str) -> None:
    assert refusal(api.get(address)) == (401, "not_authenticated")


def test_bookings_are_filtered_by_status(customer: APIClient, seats: list[Seat]) -> None:
    active, cancelled = (bought(customer, seat)["booking"]["id"] for seat in seats[:2])
    customer.post(f"/api/bookings/{cancelled}/cancel", {}, format="json")
    assert ids(customer, "?status=confirmed") == [active]
    assert ids(customer, "?status=cancelled") == [cancelled]
    assert ids(customer, "?status=") == [cancelled, active]


def test_orders_are_filtered_by_the_status_of_their_bookings(
    customer: APIClient, seats: list[Seat]
) -> None:
    answers = [bought(customer, *seats[n : n + 2]) for n in (0, 2, 4)]
    whole, part, none = (each["order"]["reference"] for each in answers)
    customer.post(f"/api/bookings/{answers[1]['booking']['id']}/cancel", {}, format="json")
    customer.post(f"/api/orders/{none}/cancel", {}, format="json")
    assert references(customer, "?status=confirmed") == [whole]
    assert references(customer, "?status=partially_cancelled") == [part]
    assert references(customer, "?status=cancelled") == [none]


def test_upcoming_and_past_bookings_are_separated(
    customer: APIClient, show: Show, seats: list[Seat]
) -> None:
    over = bought(customer, seats[0])
    to_come = bought(customer, *make_seats(ShowFactory(), "S"))
    start_in(show, minutes=-1)
    assert ids(customer, "?upcoming=true") == [to_come["booking"]["id"]]
    assert ids(customer, "?upcoming=false") == [over["booking"]["id"]]
    assert references(customer, "?upcoming=true") == [to_come["order"]["reference"]]
    assert references(customer, "?upcoming=false") == [over["order"]["reference"]]
    assert ids(customer, "?upcoming=true&status=cancelled") == []


@pytest.mark.parametrize("address", ["/api/bookings", "/api/orders"])
@pytest.mark.parametrize("query", ["status=sold", "upcoming=maybe", "page=0", "page_size=501"])
def test_an_invalid_filter_is_named(customer: APIClient, address: str, query: str) -> None:
    response = customer.get(f"{address}?{query}")
    assert refusal(response) == (400, "validation_failed")
    assert list(response.json()["errors"]) == [query.partition("=")[0]]


def test_lists_come_in_pages(customer: APIClient, seats: list[Seat]) -> None:
    numbers = [each["id"] for each in bought(customer, *seats[:5])["bookings"]]
    response = customer.get("/api/bookings?page=2&page_size=2")
    assert [each["id"] for each in response.json()] == numbers[::-1][2:4]
    assert response["X-Total-Count"] == "5"
    for relation, page in (("first", 1), ("prev", 1), ("next", 3), ("last", 3)):
        address = f"http://testserver/api/bookings?page={page}&page_size=2"
        assert f'<{address}>; rel="{relation}"' in response["Link"]
    assert ids(customer, "?page=4&page_size=2") == []


@pytest.mark.parametrize(
    ("address", "statements"), [("/api/bookings", 2), ("/api/orders", 2), ("/api/holds", 3)]
)
def test_query_count_of_a_list_does_not_grow_with_its_length(
    customer: APIClient,
    seats: list[Seat],
    address: str,
    statements: int,
    django_assert_max_num_queries: Any,
) -> None:
    for seat in seats[:3]:
        bought(customer, seat)
    for other in (seats[3], *make_seats(ShowFactory(), "S")):
        body = {"show_id": other.show_id, "seat_ids": [other.pk]}
        assert customer.post("/api/holds", body, format="json").status_code == 201
    with django_assert_max_num_queries(statements):
        assert len(customer.get(address).json()) >= 2
