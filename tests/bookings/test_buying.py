"""POST /api/bookings: what is sold, and what is refused with which code."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.api.fields import utc_text
from bookings.models import Booking, Hold, Order
from bookings.services import refusals
from bookings.services.sales import REFERENCE_LETTERS
from catalog.layouts import parse_layout
from catalog.models import Seat, SeatStatus, Show, ShowStatus
from catalog.seat_maps import make_seat_map
from tests.bookings.calls import (
    book,
    book_seats,
    bought,
    held,
    let_expire,
    nothing_happened,
    refusal,
    start_in,
    states,
)
from tests.factories import ScreenFactory, SeatFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

Login = Callable[[User], APIClient]


@pytest.fixture
def gap_rule_show() -> Show:
    """A show with the gap rule and seats A1 to A6."""
    screen = ScreenFactory(theatre__gap_rule="middle_only")
    start = timezone.now() + timedelta(days=1)
    return ShowFactory(
        theatre=screen.theatre, screen=screen, occupied_until=start + timedelta(hours=3)
    )


def test_the_response_to_a_purchase_has_everything_a_ticket_shows(
    customer: APIClient, user: User, show: Show, seats: list[Seat]
) -> None:
    response = book(customer, show_id=show.pk, seat_id=seats[2].pk)
    assert response.status_code == 201
    answer = response.json()
    row = Booking.objects.select_related("order").get()
    booking = answer["booking"]
    booked_at = booking.pop("booked_at")
    assert booked_at.endswith("Z")
    assert datetime.fromisoformat(booked_at) == row.booked_at
    assert booking == {
        "id": row.pk,
        "user_id": user.pk,
        "show_id": show.pk,
        "seat_id": seats[2].pk,
        "row": "A",
        "section": "",
        "number": 3,
        "price": "12.00",
        "currency": "EUR",
        "order_reference": row.order.reference,
        "status": "confirmed",
        "movie_title": show.movie.title,
        "theatre_name": show.theatre.name,
        "start_time": utc_text(show.start_time),
    }
    assert [each["id"] for each in answer["bookings"]] == [row.pk]
    assert answer["message"] == "Booking confirmed. Enjoy the show!"
    assert states(*seats[:4]) == ["available", "available", "booked", "available"]
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert "Idempotency-Replayed" not in response


def test_several_seats_are_one_order(customer: APIClient, user: User, seats: list[Seat]) -> None:
    answer = bought(customer, *seats[1:4])
    order = Order.objects.get()
    assert (order.user, order.channel, order.total) == (user, "web", Decimal("36.00"))
    created_at = answer["order"].pop("created_at")
    assert datetime.fromisoformat(created_at) == order.created_at
    show = order.show
    assert answer["order"] == {
        "reference": order.reference,
        "show_id": seats[0].show_id,
        "channel": "web",
        "total": "36.00",
        "currency": "EUR",
        "language": "en",
        "status": "confirmed",
        "movie_id": show.movie_id,
        "movie_title": show.movie.title,
        "theatre_id": show.theatre_id,
        "theatre_name": show.theatre.name,
        "screen_name": None,
        "start_time": utc_text(show.start_time),
        "end_time": utc_text(show.end_time),
        "local_start_time": show.start_time.astimezone(show.theatre.zone).isoformat(),
        "timezone": "America/New_York",
        "cancellable_until": utc_text(show.start_time - timedelta(hours=1)),
    }
    assert {each["order_reference"] for each in answer["bookings"]} == {order.reference}
    assert re.fullmatch(f"[{REFERENCE_LETTERS}]{{4}}-[{REFERENCE_LETTERS}]{{4}}", order.reference)


def test_bookings_are_sorted_by_row_and_number_not_by_id(customer: APIClient, show: Show) -> None:
    places = [("AA", 1), ("B", 10), ("B", 9), ("A", 7)]
    made = [SeatFactory(show=show, row=row, number=number) for row, number in places]
    answer = bought(customer, *made)
    assert [(each["row"], each["number"]) for each in answer["bookings"]] == places[::-1]
    assert answer["booking"] == answer["bookings"][0]


def test_the_price_is_copied_when_sold(customer: APIClient, seats: list[Seat]) -> None:
    number = bought(customer, seats[0])["booking"]["id"]
    Seat.objects.update(price="99.00")
    assert customer.get(f"/api/bookings/{number}").json()["price"] == "12.00"


def test_a_free_seat_costs_nothing(customer: APIClient, show: Show) -> None:
    answer = bought(customer, SeatFactory(show=show, price=Decimal(0)))
    assert (answer["booking"]["price"], answer["order"]["total"]) == ("0.00", "0.00")


def test_either_all_seats_are_sold_or_none(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    bought(rival, seats[1])
    held(rival, seats[2])
    Seat.objects.filter(pk=seats[3].pk).update(status=SeatStatus.BLOCKED)
    response = book_seats(customer, *seats[:5])
    assert refusal(response) == (409, "seat_unavailable")
    assert response.json()["seat_ids"] == [seat.pk for seat in seats[1:4]]
    assert states(seats[0], seats[4]) == ["available", "available"]
    assert Booking.objects.count() == 1


def test_a_refusal_names_no_seat_that_was_free_throughout(
    customer: APIClient, rival: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = bought(rival, seats[0])["booking"]["id"]
    read = refusals.taken_seats

    def cancel_and_read(**arguments: Any) -> dict[int, bool]:
        rival.post(f"/api/bookings/{number}/cancel", {}, format="json")
        return read(**arguments)

    monkeypatch.setattr(refusals, "taken_seats", cancel_and_read)
    assert book_seats(customer, *seats[:3]).json()["seat_ids"] == [seats[0].pk]


@pytest.mark.parametrize("status", ["held", "blocked"])
def test_a_held_or_blocked_seat_is_refused(
    customer: APIClient, rival: APIClient, seats: list[Seat], status: str
) -> None:
    if status == "held":
        held(rival, seats[0])
    else:
        Seat.objects.filter(pk=seats[0].pk).update(status=SeatStatus.BLOCKED)
    response = book_seats(customer, seats[0])
    assert refusal(response) == (409, "seat_unavailable")
    assert response.json()["seat_ids"] == [seats[0].pk]
    assert not Booking.objects.exists()


def test_an_expired_hold_of_another_user_reserves_nothing(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    let_expire(held(rival, seats[0])["id"])
    bought(customer, seats[0])


def test_own_held_seats_are_bought_by_their_ids_and_the_rest_stays_held(
    customer: APIClient, seats: list[Seat]
) -> None:
    hold_id = held(customer, *seats[:3])["id"]
    bought(customer, seats[1])
    assert states(*seats[:3]) == ["held", "booked", "held"]
    left = customer.get(f"/api/holds/{hold_id}").json()
    assert [seat["id"] for seat in left["seats"]] == [seats[0].pk, seats[2].pk]
    assert left["total"] == "24.00"
    bought(customer, seats[0], seats[2])
    assert customer.get("/api/holds").json() == []
    assert Hold.objects.get().end_reason == "booked"


def test_held_and_free_seats_are_bought_together(customer: APIClient, seats: list[Seat]) -> None:
    hold_id = held(customer, *seats[:2])["id"]
    bought(customer, seats[1], seats[2])
    left = customer.get(f"/api/holds/{hold_id}").json()
    assert [seat["id"] for seat in left["seats"]] == [seats[0].pk]


def test_a_hold_is_bought_whole(customer: APIClient, seats: list[Seat]) -> None:
    hold_id = held(customer, seats[1], seats[0])["id"]
    response = book(customer, hold_id=hold_id)
    assert response.status_code == 201
    assert [each["seat_id"] for each in response.json()["bookings"]] == [seats[0].pk, seats[1].pk]
    assert response.json()["order"]["total"] == "24.00"
    assert states(*seats[:2]) == ["booked", "booked"]
    assert customer.get("/api/holds").json() == []


def test_plain_rows_of_the_original_tables_are_sold(customer: APIClient) -> None:
    """Rows that have only the columns of the original's tables."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO movies (title, description) VALUES ('Film', '') RETURNING id")
        movie = cursor.fetchone()[0]
        cursor.execute("INSERT INTO theatres (name, location) VALUES ('Hall', 'X') RETURNING id")
        theatre = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO shows (movie_id, theatre_id, start_time)"
            " VALUES (%s, %s, now() + interval '1 day') RETURNING id",
            [movie, theatre],
        )
        show = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO seats (show_id, row, number, price) VALUES (%s, 'A', 1, 15) RETURNING id",
            [show],
        )
        seat = cursor.fetchone()[0]
    response = book(customer, show_id=show, seat_id=seat)
    assert response.status_code == 201
    assert (response.json()["booking"]["price"], response.json()["order"]["currency"]) == (
        "15.00",
        "USD",
    )


def close(show: Show, **columns: Any) -> None:
    Show.objects.filter(pk=show.pk).update(**columns)


@pytest.mark.parametrize(
    "closing",
    [
        lambda show: start_in(show, hours=-1),
        lambda show: close(show, status=ShowStatus.CANCELLED),
        lambda show: close(show, sales_close_at=timezone.now() - timedelta(hours=1)),
    ],
    ids=["started", "cancelled", "sales closed"],
)
@pytest.mark.parametrize("way", ["seats", "hold", "booked seat"])
def test_nothing_is_sold_for_a_closed_show(
    customer: APIClient,
    rival: APIClient,
    show: Show,
    seats: list[Seat],
    closing: Callable[[Show], None],
    way: str,
) -> None:
    hold_id = held(customer, seats[0])["id"]
    bought(rival, seats[1])
    closing(show)
    body: dict[str, Any] = {
        "seats": {"show_id": show.pk, "seat_id": seats[0].pk},
        "hold": {"hold_id": hold_id},
        "booked seat": {"show_id": show.pk, "seat_id": seats[1].pk},
    }[way]
    assert refusal(book(customer, **body)) == (409, "show_closed")
    assert states(seats[0]) == ["held"]


def test_sales_go_on_until_they_close(customer: APIClient, show: Show, seats: list[Seat]) -> None:
    close(show, sales_close_at=timezone.now() + timedelta(minutes=1))
    bought(customer, seats[0])


@pytest.mark.parametrize("way", ["seats", "hold"])
def test_a_planned_show_does_not_exist_for_customers(
    customer: APIClient, show: Show, seats: list[Seat], way: str
) -> None:
    hold_id = held(customer, seats[0])["id"]
    close(show, status=ShowStatus.PLANNED)
    body: dict[str, Any] = {
        "seats": {"show_id": show.pk, "seat_id": seats[0].pk},
        "hold": {"hold_id": hold_id},
    }[way]
    assert refusal(book(customer, **body)) == (404, "show_not_found")


def test_a_planned_show_does_not_reveal_its_booked_seats(
    customer: APIClient, rival: APIClient, show: Show, seats: list[Seat]
) -> None:
    bought(rival, seats[0])
    close(show, status=ShowStatus.PLANNED)
    assert refusal(book_seats(customer, seats[0])) == (404, "show_not_found")


def test_an_unknown_show_is_not_found(customer: APIClient, seats: list[Seat]) -> None:
    response = book(customer, show_id=2**53 - 1, seat_id=seats[0].pk)
    assert refusal(response) == (404, "show_not_found")


def test_a_seat_of_another_show_is_not_found(customer: APIClient, seats: list[Seat]) -> None:
    stranger = SeatFactory()
    ids = [seats[0].pk, stranger.pk, 2**53 - 1]
    response = book(customer, show_id=seats[0].show_id, seat_ids=ids)
    assert refusal(response) == (404, "seat_not_found")
    assert response.json()["seat_ids"] == ids[1:]
    assert nothing_happened(*seats, stranger)


def test_an_order_has_a_limit(customer: APIClient, show: Show, settings: Settings) -> None:
    seats = make_seats(show, "S" * 11)
    response = book_seats(customer, *seats)
    assert refusal(response) == (422, "too_many_seats")
    assert response.json()["limit"] == 10
    assert nothing_happened(*seats)
    settings.MAX_SEATS_PER_ORDER = 11
    bought(customer, *seats)


def test_no_single_seat_is_left_between_taken_ones(
    customer: APIClient, rival: APIClient, gap_rule_show: Show
) -> None:
    seats = make_seats(gap_rule_show, "SSSSSS")
    bought(rival, seats[0])
    response = book_seats(customer, seats[2], seats[3])
    assert refusal(response) == (422, "single_seat_gap")
    choices = response.json()["alternatives"]
    assert [seats[1].pk, seats[2].pk] in choices
    assert states(*seats[1:]) == ["available"] * 5
    assert book(customer, show_id=gap_rule_show.pk, seat_ids=choices[-1]).status_code == 201


@pytest.mark.parametrize("numbering", ["<", "<2+2", "[6,1,5,2,4,3]"])
def test_a_gap_is_between_neighbouring_places_whatever_their_numbers(
    customer: APIClient, rival: APIClient, gap_rule_show: Show, numbering: str
) -> None:
    layout = parse_layout(f"A SSSSSS\n= Balcony\nA {numbering} SSSSSS")
    make_seat_map(show_id=gap_rule_show.pk, layout=layout, prices={"standard": Decimal(12)})
    seats = list(Seat.objects.filter(show=gap_rule_show, section="Balcony").order_by("x"))
    bought(rival, seats[0])
    assert refusal(book_seats(customer, seats[2], seats[3])) == (422, "single_seat_gap")
    bought(customer, seats[1], seats[2])


def test_an_expired_own_hold_exempts_no_seat_from_the_gap_rule(
    customer: APIClient, gap_rule_show: Show
) -> None:
    """The rules apply again once the hold has expired."""
    seats = make_seats(gap_rule_show, "SSSSSS")
    hold_id = held(customer, seats[2])["id"]
    Seat.objects.filter(pk=seats[0].pk).update(status=SeatStatus.BLOCKED)
    let_expire(hold_id)
    assert refusal(book_seats(customer, seats[2])) == (422, "single_seat_gap")


def test_alternatives_do_not_include_seats_that_the_buyer_already_holds(
    customer: APIClient, gap_rule_show: Show
) -> None:
    seats = make_seats(gap_rule_show, "SSSSSS")
    held(customer, seats[0])
    response = book_seats(customer, seats[2])
    assert refusal(response) == (422, "single_seat_gap")
    assert all(len(choice) == 1 for choice in response.json()["alternatives"])
    assert [seats[0].pk] not in response.json()["alternatives"]


def test_a_gap_beside_held_seats_does_not_prevent_booking_elsewhere(
    customer: APIClient, rival: APIClient, gap_rule_show: Show
) -> None:
    """The gap appeared when the rival cancelled; held seats are not checked again."""
    seats = make_seats(gap_rule_show, "SSSSSS", "SSSSSS")
    blocked, cancelled, own = seats[:3]
    Seat.objects.filter(pk=blocked.pk).update(status=SeatStatus.BLOCKED)
    number = bought(rival, cancelled)["booking"]["id"]
    held(customer, own)
    assert rival.post(f"/api/bookings/{number}/cancel", {}, format="json").status_code == 200
    bought(customer, seats[8])


def test_without_a_screen_there_is_no_gap_rule(customer: APIClient, rival: APIClient) -> None:
    seats = make_seats(ShowFactory(theatre__gap_rule="middle_only"), "SSSS")
    bought(rival, seats[0])
    bought(customer, seats[2])


@pytest.mark.parametrize(("minutes", "status"), [(31, 422), (29, 201)])
def test_the_gap_rule_ends_half_an_hour_before_the_start(
    customer: APIClient, rival: APIClient, gap_rule_show: Show, minutes: int, status: int
) -> None:
    seats = make_seats(gap_rule_show, "SSSSSS")
    bought(rival, seats[0])
    start_in(gap_rule_show, minutes=minutes)
    assert book_seats(customer, seats[2]).status_code == status


def test_a_companion_seat_is_sold_with_its_wheelchair_bay(customer: APIClient, show: Show) -> None:
    bay, companion, _ = make_seats(show, "WCS")
    response = book_seats(customer, companion)
    assert refusal(response) == (422, "companion_required")
    assert response.json()["seat_ids"] == [companion.pk]
    assert nothing_happened(bay, companion)
    bought(customer, bay, companion)


@pytest.mark.parametrize("had", ["booked", "held"])
def test_the_owner_of_a_bay_can_buy_its_companion_seat(
    customer: APIClient, show: Show, had: str
) -> None:
    bay, companion = make_seats(show, "WC")
    bought(customer, bay) if had == "booked" else held(customer, bay)
    bought(customer, companion)


def test_a_bay_with_an_expired_hold_does_not_count(customer: APIClient, show: Show) -> None:
    bay, companion = make_seats(show, "WC")
    let_expire(held(customer, bay)["id"])
    assert refusal(book_seats(customer, companion)) == (422, "companion_required")


def test_a_cancelled_bay_does_not_count(customer: APIClient, show: Show) -> None:
    bay, companion = make_seats(show, "WC")
    number = bought(customer, bay)["booking"]["id"]
    customer.post(f"/api/bookings/{number}/cancel", {}, format="json")
    assert refusal(book_seats(customer, companion)) == (422, "companion_required")


def test_the_bay_of_somebody_else_does_not_count(
    customer: APIClient, rival: APIClient, show: Show
) -> None:
    bay, companion = make_seats(show, "WC")
    bought(rival, bay)
    assert refusal(book_seats(customer, companion)) == (422, "companion_required")


@pytest.mark.parametrize(("minutes", "status"), [(61, 422), (59, 201)])
def test_companion_seats_are_reserved_until_an_hour_before_the_start(
    customer: APIClient, show: Show, minutes: int, status: int
) -> None:
    _, companion = make_seats(show, "WC")
    start_in(show, minutes=minutes)
    assert book_seats(customer, companion).status_code == status


@pytest.fixture
def rush(
    customer: APIClient, rival: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seat was just refused, so requests for taken seats are refused without locks."""
    monkeypatch.setattr(refusals, "RUSH_SECONDS", 60.0)  # however slow the machine
    bought(rival, seats[0])
    assert refusal(book_seats(customer, seats[0])) == (409, "seat_unavailable")


@pytest.mark.usefixtures("rush")
def test_in_a_rush_the_taken_seats_are_named(customer: APIClient, seats: list[Seat]) -> None:
    response = book_seats(customer, *seats[:2])
    assert refusal(response) == (409, "seat_unavailable")
    assert response.json()["seat_ids"] == [seats[0].pk]


@pytest.mark.usefixtures("rush")
def test_in_a_rush_free_seats_are_sold_and_replayed(customer: APIClient, seats: list[Seat]) -> None:
    first = book_seats(customer, seats[1], key="k")
    caches["idempotency"].clear()
    again = book_seats(customer, seats[1], key="k")
    assert (again.status_code, again.content) == (201, first.content)


@pytest.mark.usefixtures("rush")
def test_in_a_rush_a_seat_that_becomes_available_again_is_sold(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    booking_id = Booking.objects.get(seat=seats[0]).pk
    assert rival.post(f"/api/bookings/{booking_id}/cancel", format="json").status_code == 200
    bought(customer, seats[0])
    hold_id = held(rival, seats[1])["id"]
    assert refusal(book_seats(customer, seats[1])) == (409, "seat_unavailable")
    assert rival.delete(f"/api/holds/{hold_id}").status_code == 204
    bought(customer, seats[1])


@pytest.mark.usefixtures("rush")
def test_in_a_rush_everything_else_is_refused_for_its_own_reason(
    customer: APIClient, user: User, show: Show, seats: list[Seat], settings: Settings
) -> None:
    foreign = make_seats(ShowFactory(), "S")
    assert refusal(book_seats(customer, seats[0], *foreign)) == (404, "seat_not_found")
    settings.EMAIL_CONFIRMATION_REQUIRED = True
    assert refusal(book_seats(customer, seats[0])) == (403, "email_unconfirmed")
    settings.MAX_SEATS_PER_ORDER = 1
    assert refusal(book_seats(customer, *seats[:2])) == (422, "too_many_seats")
    settings.EMAIL_CONFIRMATION_REQUIRED = False
    Show.objects.filter(pk=show.pk).update(status="cancelled")
    assert refusal(book_seats(customer, seats[0])) == (409, "show_closed")
    Show.objects.filter(pk=show.pk).update(status="planned")
    assert refusal(book_seats(customer, seats[0])) == (404, "show_not_found")
    Show.objects.filter(pk=show.pk).update(status=show.status)
    User.objects.filter(pk=user.pk).update(token_version=2)
    assert refusal(book_seats(customer, seats[0])) == (401, "token_revoked")


@pytest.mark.parametrize("whose", ["nobody's", "somebody's", "released"])
def test_a_missing_hold_is_not_found(
    customer: APIClient, rival: APIClient, seats: list[Seat], whose: str
) -> None:
    hold_id = str(uuid4())
    if whose == "somebody's":
        hold_id = held(rival, seats[0])["id"]
    if whose == "released":
        hold_id = held(customer, seats[0])["id"]
        customer.delete(f"/api/holds/{hold_id}")
    assert refusal(book(customer, hold_id=hold_id)) == (404, "hold_not_found")
    assert not Booking.objects.exists()


def test_a_hold_is_bought_once(customer: APIClient, seats: list[Seat]) -> None:
    hold_id = held(customer, seats[0])["id"]
    assert book(customer, hold_id=hold_id).status_code == 201
    assert refusal(book(customer, hold_id=hold_id)) == (409, "hold_already_booked")
    assert Booking.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["show_id", "hold_id"]),
        ({"show_id": 1}, ["seat_id", "seat_ids"]),
        ({"seat_ids": [1]}, ["show_id"]),
        ({"seat_id": 1}, ["show_id"]),
        ({"show_id": 1, "seat_id": 1, "seat_ids": [1]}, ["seat_ids"]),
        ({"show_id": 1, "seat_ids": []}, ["seat_ids"]),
        ({"show_id": 1, "seat_ids": [1, 1]}, ["seat_ids"]),
        ({"show_id": 1, "seat_ids": [1, "2"]}, ["seat_ids.1"]),
        ({"show_id": 1, "seat_ids": 1}, ["seat_ids"]),
        ({"show_id": 1, "seat_ids": list(range(1, 502))}, ["seat_ids"]),
        ({"show_id": 0, "seat_id": 1}, ["show_id"]),
        ({"show_id": "1", "seat_id": True}, ["show_id", "seat_id"]),
        ({"show_id": 1.0, "seat_id": 2**53}, ["show_id", "seat_id"]),
        ({"show_id": None, "seat_id": 1}, ["show_id"]),
        ({"hold_id": "x"}, ["hold_id"]),
        ({"hold_id": str(uuid4()), "show_id": 1}, ["show_id"]),
        ({"show_id": 1, "seat_id": 1, "price": "0.00"}, ["price"]),
    ],
)
def test_an_invalid_body_names_its_fields(
    customer: APIClient, body: dict[str, Any], fields: list[str]
) -> None:
    response = book(customer, **body)
    assert refusal(response) == (400, "validation_failed")
    assert sorted(response.json()["errors"]) == sorted(fields)


def test_an_empty_body_gets_the_three_ways_to_book(customer: APIClient) -> None:
    for sentence in chain(*book(customer).json()["errors"].values()):
        assert all(way in sentence for way in ("show_id and seat_id,", "seat_ids", "hold_id"))


def test_buying_needs_a_token(api: APIClient, seats: list[Seat]) -> None:
    response = book_seats(api, seats[0])
    assert refusal(response) == (401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"
    assert nothing_happened(*seats)


@pytest.mark.parametrize("change", [{"is_active": False}, {"token_version": 2}])
@pytest.mark.parametrize(
    "call",
    [
        lambda client, seat: book_seats(client, seat),
        lambda client, seat: client.post(
            "/api/holds", {"show_id": seat.show_id, "seat_ids": [seat.pk]}, format="json"
        ),
        lambda client, seat: client.post(
            "/api/holds", {"show_id": seat.show_id, "quantity": 9}, format="json"
        ),
        lambda client, seat: client.delete(f"/api/holds/{uuid4()}"),
        lambda client, seat: client.post(f"/api/holds/{uuid4()}/extend", {}, format="json"),
        lambda client, seat: client.post("/api/bookings/1/cancel", {}, format="json"),
        lambda client, seat: client.post("/api/orders/AAAA-AAAA/cancel", {}, format="json"),
        lambda client, seat: client.get("/api/bookings"),
        lambda client, seat: client.get("/api/bookings/1"),
        lambda client, seat: client.get("/api/orders"),
        lambda client, seat: client.get("/api/orders/AAAA-AAAA"),
        lambda client, seat: client.get("/api/holds"),
        lambda client, seat: client.get(f"/api/holds/{uuid4()}"),
    ],
)
def test_a_revoked_token_buys_nothing(
    customer: APIClient,
    user: User,
    seats: list[Seat],
    change: dict[str, Any],
    call: Callable[[APIClient, Seat], Any],
) -> None:
    User.objects.filter(pk=user.pk).update(**change)
    assert refusal(call(customer, seats[0])) == (401, "token_revoked")
    assert nothing_happened(*seats)


def test_a_duplicate_reference_is_replaced(
    customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["AAAA-CCCC", "AAAA-CCCC", "DDDD-EEEE"])
    monkeypatch.setattr("bookings.services.sales.new_reference", lambda: next(drawn))
    assert bought(customer, seats[0])["order"]["reference"] == "AAAA-CCCC"
    assert bought(customer, seats[1])["order"]["reference"] == "DDDD-EEEE"


def test_a_booking_that_left_its_seat_available_prevents_a_second_sale(
    customer: APIClient, seats: list[Seat]
) -> None:
    """The seat's status is wrong then. The refusal names only the seats that are sold."""
    Booking.objects.create(user=UserFactory(), show_id=seats[0].show_id, seat=seats[0])
    response = book_seats(customer, *seats[:2])
    assert refusal(response) == (409, "seat_unavailable")
    assert response.json()["seat_ids"] == [seats[0].pk]
    assert (Booking.objects.count(), Order.objects.count()) == (1, 0)
