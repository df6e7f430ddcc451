"""GET /api/shows/{id}/layout: what does not change with sales, and how long it is cached."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from bookings.room_layout import room_layout
from bookings.services.archiving import archive_rooms
from bookings.show_changes import moving
from catalog.layouts import parse_layout
from catalog.models import ArchivedRoom, PriceCard, Seat, Show, ShowStatus
from catalog.seat_maps import block_seats, make_seat_map, prices_of, replace_seat_map
from tests.bookings.calls import bought, held, refusal
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    SeatFactory,
    ShowFactory,
    make_seats,
    planned_show,
)

pytestmark = pytest.mark.django_db

ONE_YEAR = "public, max-age=31536000, immutable"
LAYOUT = """\
A      .SS..SC
B  <2+2 SSS..WC

C      PP.PPPP
= Balcony
A      SS..SS
B      .S...S
"""


def layout_of(client: APIClient, show: Show) -> dict[str, Any]:
    response = client.get(f"/api/shows/{show.pk}/layout")
    assert response.status_code == 200, response.content
    return dict(response.json())


def without_fingerprint(layout: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in layout.items() if name != "fingerprint"}


def fingerprints(client: APIClient, show: Show) -> set[str]:
    """Return the fingerprint of the layout according to each response that has it."""
    seats = f"/api/shows/{show.pk}/seats"
    listed = client.get(f"/api/movies/{show.movie_id}/shows?include_past=true").json()
    return {
        layout_of(client, show)["fingerprint"],
        client.get(f"/api/shows/{show.pk}").json()["layout_fingerprint"],
        *(each["layout_fingerprint"] for each in listed),
        client.get(seats)["Layout-Fingerprint"],
        client.get(f"{seats}?fields=status")["Layout-Fingerprint"],
    }


def fingerprint(client: APIClient, show: Show) -> str:
    (found,) = fingerprints(client, show)
    return found


@pytest.fixture
def card() -> Any:
    return PriceCardFactory()


@pytest.fixture
def show(card: PriceCard) -> Show:
    """A show on a screen with LAYOUT, in two days."""
    screen = ScreenFactory(layout=LAYOUT)
    start = timezone.now() + timedelta(days=2)
    movie = MovieFactory()
    show = planned_show(screen=screen, movie=movie, start_time=start, price_card=card)
    make_seat_map(show_id=show.pk, layout=parse_layout(LAYOUT), prices=prices_of(card))
    return show


def test_a_layout_has_all_its_parts(api: APIClient) -> None:
    """When this changes for the same seats, raise LAYOUT_FORMAT: old layouts are cached."""
    show = ShowFactory()
    make_seats(show, ".WC.S")
    bay, companion, seat = Seat.objects.order_by("x")
    none: dict[str, Any] = {"bay_ids": [], "companion_ids": []}
    assert without_fingerprint(layout_of(api, show)) == {
        "show_id": show.pk,
        "width": 5,
        "height": 1,
        "screen": {"x": 1, "y": -1, "width": 4, "height": 1},
        "focal_point": {"x": 2.5, "y": 0.0},
        "sections": [],
        "rows": [{"row": "A", "label": "A", "section": "", "x": 1, "y": 0, "width": 4}],
        "aisles": [{"x": 3, "y": 0, "width": 1, "height": 1}],
        "seats": [
            {
                **{"id": bay.pk, "row": "A", "number": 1, "category": "wheelchair", "x": 1, "y": 0},
                **{"aisle_left": 1, "aisle_right": 2},
                **{"left_seat_id": None, "right_seat_id": companion.pk},
                **none,
                "companion_ids": [companion.pk],
            },
            {
                **{"id": companion.pk, "row": "A", "number": 2, "category": "companion"},
                **{"x": 2, "y": 0, "aisle_left": 2, "aisle_right": 1},
                **{"left_seat_id": bay.pk, "right_seat_id": None},
                **none,
                "bay_ids": [bay.pk],
            },
            {
                **{"id": seat.pk, "row": "A", "number": 3, "category": "standard", "x": 4, "y": 0},
                **{"aisle_left": 1, "aisle_right": 1},
                **{"left_seat_id": None, "right_seat_id": None},
                **none,
            },
        ],
    }
    assert fingerprint(api, show).startswith("1-")


def test_rows_sections_aisles_and_numbers_are_those_of_the_screen(
    api: APIClient, show: Show
) -> None:
    layout = layout_of(api, show)
    assert [(row["row"], row["label"], row["section"], row["y"]) for row in layout["rows"]] == [
        ("A", "A", "", 0),
        ("B", "B", "", 1),
        ("C", "C", "", 3),
        ("Balcony A", "A", "Balcony", 5),
        ("Balcony B", "B", "Balcony", 6),
    ]
    assert [(row["x"], row["width"]) for row in layout["rows"]][:2] == [(1, 6), (0, 7)]
    assert layout["sections"] == [{"name": "Balcony", "y": 5, "height": 2}]
    assert layout["aisles"] == [
        {"x": 3, "y": 0, "width": 2, "height": 2},
        {"x": 2, "y": 3, "width": 1, "height": 1},
        {"x": 2, "y": 5, "width": 2, "height": 1},
        {"x": 2, "y": 6, "width": 3, "height": 1},
        {"x": 0, "y": 2, "width": 7, "height": 1},
        {"x": 0, "y": 4, "width": 7, "height": 1},
    ]
    assert (layout["width"], layout["height"]) == (7, 7)
    assert layout["screen"] == {"x": 0, "y": -1, "width": 7, "height": 1}
    assert layout["focal_point"] == {"x": 3.0, "y": 4.0}
    numbers = [seat["number"] for seat in layout["seats"] if seat["row"] == "B"]
    assert numbers == list(
        Seat.objects.filter(show=show, row="B").order_by("x").values_list("number", flat=True)
    )


def test_seats_without_positions_are_placed_by_row_and_number(api: APIClient) -> None:
    show = ShowFactory()
    for row, number in (("B", 2), ("AA", 1), ("B", 1), ("A", 1), ("A", 2), ("A", 4)):
        SeatFactory(show=show, row=row, number=number)
    layout = layout_of(api, show)
    assert [(seat["row"], seat["number"], seat["x"], seat["y"]) for seat in layout["seats"]] == [
        ("A", 1, 1, 0),
        ("A", 2, 2, 0),
        ("A", 4, 4, 0),
        ("B", 1, 1, 1),
        ("B", 2, 2, 1),
        ("AA", 1, 1, 2),
    ]
    assert [(seat["aisle_left"], seat["aisle_right"]) for seat in layout["seats"]][:3] == [
        (1, 2),
        (2, 1),
        (1, 1),
    ]
    assert layout["aisles"] == [{"x": 3, "y": 0, "width": 1, "height": 1}]
    # One seat without a position is enough: the seat choice then places all by their numbers.
    positioned = ShowFactory()
    make_seats(positioned, "S..S")
    SeatFactory(show=positioned, row="A", number=3)
    assert [seat["x"] for seat in layout_of(api, positioned)["seats"]] == [1, 2, 3]


def test_rows_that_plain_sql_wrote_oddly_have_a_layout(api: APIClient) -> None:
    show = ShowFactory()
    odd: list[dict[str, Any]] = [
        {"row": "VIP Box", "number": 2**31 - 1, "x": 32767, "y": 32767},
        {"row": "VIP Box", "number": 1, "x": 0, "y": 3},
        {"row": "<b>", "number": 1, "x": 0, "y": 3},
    ]
    for facts in odd:
        SeatFactory(show=show, **facts)
    layout = layout_of(api, show)
    assert len(layout["seats"]) == 3
    assert {row["label"] for row in layout["rows"]} == {"VIP Box", "<b>"}
    assert (layout["width"], layout["height"]) == (32768, 32768)
    # Two seats in the same place have no aisle between them.
    assert layout["aisles"] == [{"x": 0, "y": 4, "width": 32768, "height": 32763}]
    Seat.objects.update(x=None)
    assert layout_of(api, show)["width"] == 2**31


def test_a_show_without_seats_has_an_empty_layout(api: APIClient) -> None:
    show = ShowFactory()
    assert without_fingerprint(layout_of(api, show)) == {
        "show_id": show.pk,
        **{"width": 0, "height": 1, "focal_point": {"x": -0.5, "y": 0}},
        "screen": {"x": 0, "y": -1, "width": 0, "height": 1},
        **{"sections": [], "rows": [], "aisles": [], "seats": []},
    }
    assert fingerprint(api, show)


def test_sales_holds_and_blocked_seats_do_not_change_the_layout(
    api: APIClient, customer: APIClient, show: Show
) -> None:
    before, known = layout_of(api, show), fingerprint(api, show)
    first, second, third = Seat.objects.filter(show=show, category="premium")[:3]
    bought(customer, first)
    held(customer, second)
    block_seats(show_id=show.pk, seat_ids=[third.pk], reason="Broken")
    assert layout_of(api, show) == before
    assert fingerprint(api, show) == known == before["fingerprint"]
    # With a token, too.
    assert layout_of(customer, show) == before


def test_an_added_seat_and_a_new_seat_map_change_the_layout(
    api: APIClient, card: PriceCard, show: Show
) -> None:
    first = layout_of(api, show)
    SeatFactory(show=show, row="C", number=99, x=8, y=3)
    added = layout_of(api, show)
    assert (len(added["seats"]), added["width"]) == (len(first["seats"]) + 1, 9)
    replace_seat_map(show_id=show.pk, layout=parse_layout("A SS.SS"), prices=prices_of(card))
    replaced = layout_of(api, show)
    assert [seat["x"] for seat in replaced["seats"]] == [0, 1, 3, 4]
    known = {each["fingerprint"] for each in (first, added, replaced)}
    assert len(known) == 3
    assert fingerprint(api, show) == replaced["fingerprint"]


def test_a_show_that_moves_to_another_screen_has_its_layout(
    api: APIClient, customer: APIClient, show: Show
) -> None:
    bought(customer, Seat.objects.get(show=show, row="B", category="standard", number=6))
    before = layout_of(api, show)
    assert show.screen is not None
    other = ScreenFactory(theatre=show.theatre, layout="A SSSSSS\nB SSWC\nC PP.PP\n")
    moves = [moving.Move(show.pk, other.pk, show.start_time)]
    seen = moving.fingerprint(moving.plan_moves(moves))
    moving.move_shows(moves=moves, seen=seen, actor=None, reason="Projector broken")
    after = layout_of(api, show)
    assert [row["row"] for row in after["rows"]] == ["A", "B", "C"]
    assert after["aisles"] == [{"x": 2, "y": 2, "width": 1, "height": 1}]
    assert fingerprint(api, show) == after["fingerprint"] != before["fingerprint"]
    # The screen's layout is changed for later shows only.
    other.layout = "A SS\n"
    other.save()
    assert layout_of(api, show) == after


@pytest.mark.django_db(transaction=True)
def test_an_archived_show_keeps_its_layout_and_fingerprint(
    api: APIClient, customer: APIClient, show: Show, settings: Settings
) -> None:
    seat = Seat.objects.filter(show=show, category="premium")[0]
    bought(customer, seat)
    end = timezone.now() - timedelta(days=settings.ARCHIVE_AFTER_DAYS + 1)
    Show.objects.update(start_time=end - timedelta(hours=2), end_time=end, occupied_until=end)
    before = layout_of(api, show)
    assert archive_rooms() == 1
    assert Seat.objects.count() == 1
    assert layout_of(api, show) == before
    assert fingerprint(api, show) == before["fingerprint"]
    # A room that was archived before the hash existed has another fingerprint, the same everywhere.
    ArchivedRoom.objects.update(seats_hash=0)
    assert fingerprint(api, show) == layout_of(api, show)["fingerprint"] != before["fingerprint"]


def test_a_layout_is_cached_for_a_year_under_its_fingerprint(
    api: APIClient, customer: APIClient, show: Show
) -> None:
    address = f"/api/shows/{show.pk}/layout"
    known = fingerprint(api, show)
    for client in (api, customer):
        response = client.get(address, {"v": known})
        assert response["Cache-Control"] == ONE_YEAR
        # Vary by the token would make a client ask again after each refresh.
        assert response["Vary"] == "Origin, Accept-Encoding"
        unchanged = client.get(address, {"v": known}, HTTP_IF_NONE_MATCH=response["ETag"])
        assert (unchanged.status_code, unchanged["Cache-Control"]) == (304, ONE_YEAR)
        for query in ({}, {"v": ""}, {"v": "1-0"}, {"v": f"{known} "}):
            current = client.get(address, query)
            assert current["Cache-Control"] == "public, no-cache"
            assert current["Vary"] == "Origin, Accept-Encoding"
            assert current.content == response.content
            again = client.get(address, query, HTTP_IF_NONE_MATCH=response["ETag"])
            assert (again.status_code, again["Cache-Control"]) == (304, "public, no-cache")


def test_an_outdated_fingerprint_is_not_cached(api: APIClient, show: Show) -> None:
    old = fingerprint(api, show)
    Seat.objects.filter(show=show, row="A").delete()
    response = api.get(f"/api/shows/{show.pk}/layout", {"v": old})
    assert response["Cache-Control"] == "public, no-cache"
    assert response.json()["fingerprint"] == fingerprint(api, show) != old


def test_a_client_that_polls_learns_of_a_new_layout(
    api: APIClient, card: PriceCard, show: Show
) -> None:
    """Although the list of unavailable seats is the same, and not sent again."""
    address = f"/api/shows/{show.pk}/seats?fields=status"
    first = api.get(address)
    replace_seat_map(show_id=show.pk, layout=parse_layout("A SS"), prices=prices_of(card))
    again = api.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
    assert again.status_code == 304
    assert again["Layout-Fingerprint"] == fingerprint(api, show) != first["Layout-Fingerprint"]


def test_only_published_shows_have_a_layout(api: APIClient, show: Show) -> None:
    Show.objects.update(status=ShowStatus.CANCELLED)
    assert layout_of(api, show)["seats"]
    Show.objects.update(status=ShowStatus.PLANNED)
    for number in (show.pk, 2**53 - 1):
        response = api.get(f"/api/shows/{number}/layout")
        assert refusal(response) == (404, "show_not_found")
        assert response["Cache-Control"] == "no-store"


def test_a_layout_is_one_statement(show: Show) -> None:
    with CaptureQueriesContext(connection) as captured:
        room_layout(show_id=show.pk)
    assert len(captured) == 1


def test_a_layout_has_the_members_of_its_schema(api: APIClient, show: Show) -> None:
    schemas = api.get("/api/schema", HTTP_ACCEPT="application/json").json()["components"]["schemas"]
    layout = layout_of(api, show)
    parts = {
        "Layout": layout,
        "LayoutRow": layout["rows"][0],
        "LayoutSection": layout["sections"][0],
        "LayoutSeat": layout["seats"][0],
        "Area": layout["aisles"][0],
        "Point": layout["focal_point"],
    }
    for name, part in parts.items():
        assert set(schemas[name]["required"]) == set(part), name
