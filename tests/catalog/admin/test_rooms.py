"""The seat map of a show in the back office: planning, creating, drawing, blocking, unblocking."""

from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry, User
from catalog.layouts import parse_layout
from catalog.models import Screen, Seat, SeatStatus, Show
from catalog.seat_maps import make_seat_map
from tests.factories import PriceCardFactory, ScreenFactory, ShowFactory, make_seats


@pytest.fixture
def show(db: None) -> Show:
    """A show without seats, on a screen with three standard and three premium seats."""
    screen = ScreenFactory(layout="A SSS\n\nB PPP\n")
    show = ShowFactory(theatre=screen.theatre, price_card=PriceCardFactory())
    Show.objects.filter(pk=show.pk).update(screen=screen, occupied_until=show.end_time)
    return Show.objects.get(pk=show.pk)


def at(page: str, show: Show) -> str:
    return reverse(f"admin:catalog_show_{page}", args=[show.pk])


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_a_seat_map_is_previewed_with_prices_and_created_only_when_confirmed(
    office: Client, show: Show
) -> None:
    plan = {"source": "screen", "price_card": show.price_card_id}
    preview = office.post(at("seat_map", show), plan)
    assert "6 seats, 81.00 USD when sold out" in preview.text
    assert "15.00 USD</small>" in preview.text
    assert not show.seats.exists()
    done = office.post(at("seat_map", show), plan | {"confirm": "yes"}, follow=True)
    assert messages_of(done) == ["Seat map with 6 seats created."]
    assert show.seats.count() == 6


def test_a_preview_names_seats_as_tickets_do(office: Client, show: Show) -> None:
    Screen.objects.filter(pk=show.screen_id).update(layout="1 SSS\n= Balcony\nA PPP\n")
    plan = {"source": "screen", "price_card": show.price_card_id}
    preview = office.post(at("seat_map", show), plan).text
    assert 'title="1-2, Standard"' in preview
    assert 'title="Balcony A2, Premium"' in preview


def test_a_price_entered_for_the_show_overrides_the_card(office: Client, show: Show) -> None:
    plan = {"source": "screen", "price_card": show.price_card_id, "price_premium": "20.00"}
    office.post(at("seat_map", show), plan | {"confirm": "yes"})
    assert {str(seat.price) for seat in show.seats.filter(category="premium")} == {"20.00"}
    assert {str(seat.price) for seat in show.seats.filter(category="standard")} == {"12.00"}


def test_rows_by_seats_need_neither_screen_nor_card(office: Client) -> None:
    show = ShowFactory()
    plan = {"source": "block", "rows": 3, "seats_per_row": 4, "price_standard": "8.00"}
    office.post(at("seat_map", show), plan | {"confirm": "yes"})
    assert show.seats.count() == 12


def test_the_last_rows_can_be_premium_with_their_own_price(office: Client) -> None:
    show = ShowFactory()
    plan = {
        "source": "block",
        "rows": 3,
        "seats_per_row": 2,
        "premium_rows": 1,
        "price_standard": "8.00",
        "price_premium": "11.00",
    }
    office.post(at("seat_map", show), plan | {"confirm": "yes"})
    prices = show.seats.order_by("row", "number").values_list("row", "category", "price")
    assert [(row, kind, str(price)) for row, kind, price in prices] == [
        *[("A", "standard", "8.00")] * 2,
        *[("B", "standard", "8.00")] * 2,
        *[("C", "premium", "11.00")] * 2,
    ]


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"source": "screen"}, "price_premium"),
        ({"source": "block", "price_standard": "8.00"}, "rows"),
        ({"source": "block", "rows": 0, "seats_per_row": 5, "price_standard": "8"}, "rows"),
        (
            {"source": "block", "rows": 5, "seats_per_row": 5, "price_standard": "-1"},
            "price_standard",
        ),
        (
            {"source": "block", "rows": 2, "seats_per_row": 5, "premium_rows": 3},
            "premium_rows",
        ),
        ({"source": "elsewhere"}, "source"),
    ],
)
def test_an_incomplete_plan_shows_errors_at_its_fields(
    plan: dict[str, Any], field: str, office: Client, show: Show
) -> None:
    answer = office.post(at("seat_map", show), plan | {"confirm": "yes"})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert field in answer.context["form"].errors
    assert not show.seats.exists()


def test_a_second_seat_map_is_refused_with_its_own_page(office: Client, show: Show) -> None:
    make_seats(show, "SS")
    plan = {"source": "screen", "price_card": show.price_card_id, "confirm": "yes"}
    for answer in (office.get(at("seat_map", show)), office.post(at("seat_map", show), plan)):
        assert answer.status_code == HTTPStatus.CONFLICT
        assert "This show already has a seat map" in answer.text
    assert show.seats.count() == 2


def test_a_seat_map_can_be_replaced_while_nothing_is_sold(office: Client, show: Show) -> None:
    make_seats(show, "SS")
    plan = {"source": "screen", "price_card": show.price_card_id, "confirm": "yes"}
    office.post(at("replace_seat_map", show), plan, follow=True)
    assert show.seats.count() == 6
    show.seats.filter(row="A", number=1).update(status=SeatStatus.BOOKED)
    answer = office.post(at("replace_seat_map", show), plan, follow=True)
    assert messages_of(answer) == ["These seats are sold or held: A1."]


def test_the_seat_map_shows_every_state(office: Client, show: Show) -> None:
    make_seats(show, "SSPW", "CSSS")
    show.seats.filter(row="A", number=2).update(status=SeatStatus.BOOKED)
    soon = timezone.now() + timedelta(minutes=5)
    held = {"status": SeatStatus.HELD, "hold_id": uuid4()}
    show.seats.filter(row="B", number=2).update(held_until=soon, **held)
    show.seats.filter(row="B", number=3).update(held_until=soon - timedelta(hours=1), **held)
    show.seats.filter(row="B", number=4).update(status=SeatStatus.BLOCKED, block_reason="Wet")
    page = office.get(at("room", show)).text
    drawn = {kind: page.count(f'class="seat {kind}" title') for kind in KINDS}
    assert drawn == KINDS
    assert "blocked: Wet" in page
    assert page.count(" disabled") == 2


KINDS = {
    "standard available": 2,
    "standard booked": 1,
    "standard held": 1,
    "standard blocked": 1,
    "premium available": 1,
    "wheelchair available": 1,
    "companion available": 1,
}


def test_a_thousand_seats_are_read_in_one_query(office: Client, show: Show) -> None:
    make_seats(show, "SS")
    with CaptureQueriesContext(connection) as small:
        office.get(at("room", show))
    Seat.objects.all().delete()
    make_seats(show, *["S" * 40] * 25)
    with CaptureQueriesContext(connection) as large:
        office.get(at("room", show))
    assert len(large) == len(small) <= 6
    assert sum('FROM "seats"' in query["sql"] for query in large.captured_queries) == 1


def test_seats_are_blocked_with_a_reason_and_unblocked(office: Client, show: Show) -> None:
    first, second, _ = make_seats(show, "SSS")
    chosen = {"seat": [first.pk, second.pk]}
    answer = office.post(
        at("room", show), chosen | {"action": "block", "reason": "Broken"}, follow=True
    )
    assert messages_of(answer) == ["Blocked A1, A2: Broken"]
    assert show.seats.filter(status="blocked", block_reason="Broken").count() == 2
    answer = office.post(at("room", show), chosen | {"action": "free"}, follow=True)
    assert messages_of(answer) == ["Unblocked A1, A2."]
    assert show.seats.filter(status="available", block_reason="").count() == 3


def test_every_change_of_a_seat_map_is_in_the_history_of_its_show(
    office: Client, show: Show, staff: User
) -> None:
    plan = {"source": "screen", "price_card": show.price_card_id, "confirm": "yes"}
    office.post(at("seat_map", show), plan)
    seat = show.seats.get(row="A", number=1)
    office.post(at("room", show), {"seat": seat.pk, "action": "block", "reason": "Broken"})
    office.post(at("room", show), {"seat": seat.pk, "action": "free"})
    entries = [
        (entry.actor, entry.action, entry.reason, entry.theatre_id, entry.facts["seats"])
        for entry in audit.history_of(show)
    ]
    assert entries == [
        (staff, "seats_unblocked", "", show.theatre_id, "A1"),
        (staff, "seats_blocked", "Broken", show.theatre_id, "A1"),
        (staff, "seat_map_created", "", show.theatre_id, 6),
    ]
    page = office.get(reverse("admin:catalog_show_history", args=[show.pk])).text
    assert "Seats blocked" in page
    assert "Broken" in page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"action": "block"}, "Enter a reason."),
        ({"action": "block", "reason": "x" * 201}, "at most 200 characters"),
        ({"action": "free", "seat": []}, "Select at least one seat."),
        ({"action": "sell"}, "Select a valid choice"),
        ({"action": "free", "seat": [999_999_999]}, "Select a valid choice"),
        ({"action": "free", "seat": ["A1"]}, "Select a valid choice"),
    ],
)
def test_an_invalid_change_of_seats_is_refused(
    change: dict[str, Any], sentence: str, office: Client, show: Show
) -> None:
    [seat] = make_seats(show, "S")
    answer = office.post(at("room", show), {"seat": seat.pk} | change)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert sentence in answer.text
    assert not AuditEntry.objects.exists()


def test_a_seat_sold_meanwhile_is_not_blocked_and_not_audited(office: Client, show: Show) -> None:
    free, sold = make_seats(show, "SS")
    Seat.objects.filter(pk=sold.pk).update(status=SeatStatus.BOOKED)
    change = {"seat": [free.pk, sold.pk], "action": "block", "reason": "Broken"}
    answer = office.post(at("room", show), change, follow=True)
    assert messages_of(answer) == ["These seats are sold or held, so they cannot be blocked: A2."]
    assert not show.seats.filter(status="blocked").exists()
    assert not AuditEntry.objects.exists()


def test_a_thousand_seats_can_be_blocked_at_once(office: Client, show: Show) -> None:
    seats = make_seats(show, *["S" * 50] * 24)
    change = {"seat": [seat.pk for seat in seats], "action": "block", "reason": "Private party"}
    answer = office.post(at("room", show), change, follow=True)
    assert "and 1188 more" in messages_of(answer)[0]


def test_an_unknown_show_is_not_found(office: Client) -> None:
    for page in ("room", "seat_map", "replace_seat_map"):
        address = reverse(f"admin:catalog_show_{page}", args=[999_999])
        assert office.get(address).status_code == HTTPStatus.NOT_FOUND


def test_sections_are_drawn_in_order_with_headings(office: Client, show: Show) -> None:
    layout = parse_layout("A SS\n= Circle\nA <2+2 .SS\nB S\n= Balcony\nA S")
    make_seat_map(show_id=show.pk, layout=layout, prices={"standard": Decimal(12)})
    rows = office.get(at("room", show)).context["rows"]
    assert [(row.heading, row.name, row.label) for row in rows] == [
        ("", "A", "A"),
        ("Circle", "Circle A", "A"),
        ("", "Circle B", "B"),
        ("Balcony", "Balcony A", "A"),
    ]
    assert [cell and cell.number for cell in rows[1].cells] == [None, 4, 2]


def test_seats_without_a_position_are_drawn_by_row_and_number(office: Client, show: Show) -> None:
    Seat.objects.create(show=show, row="A", number=3, price="1.00")
    Seat.objects.create(show=show, row="AA", number=1, price="1.00")
    Seat.objects.create(show=show, row="B", number=1, price="1.00")
    rows = office.get(at("room", show)).context["rows"]
    assert [row.label for row in rows] == ["A", "B", "AA"]
    assert [cell is None for cell in rows[0].cells] == [True, True, False]
