"""/api/holds: seats reserved for a few minutes, by the database's clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from bookings.models import Booking, Hold
from bookings.services import release_expired_holds
from catalog.layouts import parse_layout
from catalog.models import Seat, SeatStatus, Show, ShowStatus
from catalog.seat_maps import make_seat_map
from tests.bookings.calls import (
    book,
    book_seats,
    bought,
    held,
    hold,
    hold_seats,
    let_expire,
    refusal,
    start_in,
    states,
)
from tests.factories import ScreenFactory, SeatFactory, ShowFactory, make_seats

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def extend(client: APIClient, hold_id: str) -> Any:
    return client.post(f"/api/holds/{hold_id}/extend", {}, format="json")


def seat_ids(document: dict[str, Any]) -> list[int]:
    return [seat["id"] for seat in document["seats"]]


def age(hold_id: str, minutes: float) -> None:
    """Make the hold older by this many minutes."""
    row = Hold.objects.get(pk=hold_id)
    passed = timedelta(minutes=minutes)
    Hold.objects.filter(pk=hold_id).update(
        expires_at=row.expires_at - passed,
        max_expires_at=row.max_expires_at - passed,
        ended_at=row.ended_at and row.ended_at - passed,
    )
    Seat.objects.filter(hold_id=hold_id).update(held_until=row.expires_at - passed)


def test_a_hold_returns_its_seats_and_times(
    customer: APIClient, show: Show, seats: list[Seat]
) -> None:
    before = datetime.now(UTC) - MINUTE
    response = hold_seats(customer, seats[7], seats[1])
    assert response.status_code == 201
    document = response.json()
    row = Hold.objects.get()
    now = moment(document.pop("server_time"))
    ends = moment(document.pop("expires_at"))
    assert before < now < datetime.now(UTC) + MINUTE
    assert ends - now == 10 * MINUTE
    assert moment(document.pop("max_expires_at")) - now == 30 * MINUTE
    assert ends == row.expires_at
    assert document == {
        "id": str(row.pk),
        "show_id": show.pk,
        "seats": [
            {
                "id": seat.pk,
                "row": seat.row,
                "section": "",
                "number": 2,
                "price": "12.00",
                "category": "standard",
                "x": 1,
                "y": seat.y,
            }
            for seat in (seats[1], seats[7])
        ],
        "total": "24.00",
        "currency": "EUR",
        "expires_in": 600,
    }
    assert response["Location"] == f"http://testserver/api/holds/{row.pk}"
    assert response["Cache-Control"] == "no-store"
    assert set(Seat.objects.filter(hold_id=row.pk).values_list("held_until", flat=True)) == {ends}


def test_the_best_seats_are_adjacent_places_whatever_their_numbers(
    customer: APIClient, show: Show
) -> None:
    layout = parse_layout("A [7,5,3,1,2,4,6,8] SSSSSSSS\n= Balcony\nA <2+2 S")
    make_seat_map(show_id=show.pk, layout=layout, prices={"standard": Decimal(12)})
    chosen = hold(customer, show_id=show.pk, quantity=4).json()["seats"]
    assert [(seat["number"], seat["x"]) for seat in chosen] == [(1, 3), (2, 4), (3, 2), (4, 5)]


def test_asking_again_replaces_the_seats_of_the_same_hold(
    customer: APIClient, seats: list[Seat]
) -> None:
    first = held(customer, *seats[:3])
    response = hold_seats(customer, *seats[2:5])
    assert response.status_code == 200
    assert response.json()["id"] == first["id"]
    assert response["Location"].endswith(f"/api/holds/{first['id']}")
    assert seat_ids(response.json()) == [seat.pk for seat in seats[2:5]]
    assert states(*seats[:5]) == ["available", "available", "held", "held", "held"]
    assert Hold.objects.count() == 1


def test_a_retry_extends_the_hold_and_changes_nothing_else(
    customer: APIClient, seats: list[Seat]
) -> None:
    first = held(customer, *seats[:2])
    age(first["id"], 4)
    again = held(customer, *seats[:2])
    assert (again["id"], seat_ids(again)) == (first["id"], seat_ids(first))
    assert again["expires_in"] == 600
    assert moment(again["max_expires_at"]) == moment(first["max_expires_at"]) - 4 * MINUTE


def test_holds_of_two_shows_live_side_by_side(customer: APIClient, seats: list[Seat]) -> None:
    one, other = held(customer, seats[0]), held(customer, SeatFactory())
    listed = customer.get("/api/holds")
    assert [each["id"] for each in listed.json()] == [other["id"], one["id"]]
    assert (listed["X-Total-Count"], listed["Cache-Control"]) == ("2", "no-store")
    assert [each["id"] for each in customer.get("/api/holds?page_size=1&page=2").json()] == [
        one["id"]
    ]


def test_a_hold_is_visible_only_to_its_owner(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, seats[0])
    address = f"/api/holds/{made['id']}"
    read = customer.get(address).json()
    for passing in ("server_time", "expires_in"):
        made.pop(passing), read.pop(passing)
    assert read == made
    for response in (
        rival.get(address),
        rival.delete(address),
        extend(rival, made["id"]),
        book(rival, hold_id=made["id"]),
        customer.get(f"/api/holds/{uuid4()}"),
        customer.delete(f"/api/holds/{uuid4()}"),
        extend(customer, str(uuid4())),
    ):
        assert refusal(response) == (404, "hold_not_found")
    assert rival.get("/api/holds").json() == []
    assert states(seats[0]) == ["held"]


def test_an_unknown_hold_is_not_found(customer: APIClient) -> None:
    assert refusal(customer.get("/api/holds/17")) == (404, "not_found")


def test_an_expired_hold_is_no_longer_shown(customer: APIClient, seats: list[Seat]) -> None:
    made = held(customer, seats[0])
    let_expire(made["id"])
    assert customer.get("/api/holds").json() == []
    assert refusal(customer.get(f"/api/holds/{made['id']}")) == (404, "hold_not_found")


def test_extending_a_hold_restarts_its_time(customer: APIClient, seats: list[Seat]) -> None:
    made = held(customer, seats[0])
    age(made["id"], 9)
    response = extend(customer, made["id"])
    assert response.status_code == 200
    assert response.json()["expires_in"] == 600
    row = Hold.objects.get()
    assert Seat.objects.get(pk=seats[0].pk).held_until == row.expires_at


@pytest.mark.parametrize("way", ["extend", "ask again"])
def test_no_call_exceeds_the_maximum_time(customer: APIClient, seats: list[Seat], way: str) -> None:
    made = held(customer, seats[0])
    for _ in range(3):
        age(made["id"], 9)
        again = extend(customer, made["id"]).json() if way == "extend" else held(customer, seats[0])
    assert again["expires_at"] == again["max_expires_at"]
    assert again["id"] == made["id"]
    assert 0 < again["expires_in"] <= 180


def test_releasing_a_hold_does_not_restart_the_maximum_time(
    customer: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, seats[0])
    age(made["id"], 5)
    customer.delete(f"/api/holds/{made['id']}")
    age(made["id"], 4)
    again = held(customer, seats[1])
    assert again["id"] != made["id"]
    assert moment(again["max_expires_at"]) == moment(made["max_expires_at"]) - 9 * MINUTE


def test_five_minutes_after_a_hold_the_maximum_time_starts_again(
    customer: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, seats[0])
    customer.delete(f"/api/holds/{made['id']}")
    age(made["id"], 5.1)
    again = held(customer, seats[0])
    longest = moment(again["max_expires_at"]) - moment(again["server_time"])
    assert longest == 30 * MINUTE


def test_an_expired_hold_does_not_restart_the_maximum_time(
    customer: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, seats[0])
    age(made["id"], 11)
    again = held(customer, seats[0])
    assert moment(again["max_expires_at"]) == moment(made["max_expires_at"]) - 11 * MINUTE
    age(again["id"], 11)
    assert release_expired_holds(batch=10) == 1
    third = held(customer, seats[0])
    assert moment(third["max_expires_at"]) == moment(made["max_expires_at"]) - 22 * MINUTE


def test_after_the_maximum_time_a_user_waits_or_books_directly(
    customer: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, seats[0])
    age(made["id"], 31)
    Hold.objects.update(expires_at=Hold.objects.get().max_expires_at)
    response = hold_seats(customer, seats[0])
    assert refusal(response) == (409, "hold_expired")
    assert 0 < int(response["Retry-After"]) <= 241
    assert Hold.objects.get().ended_at is None
    bought(customer, seats[0])


def test_booking_a_hold_does_not_restart_the_maximum_time(
    customer: APIClient, seats: list[Seat]
) -> None:
    """Otherwise booking and cancelling one of ten seats would reserve the others indefinitely."""
    made = held(customer, *seats[:3])
    age(made["id"], 5)
    held(customer, seats[0])
    assert book(customer, hold_id=made["id"]).status_code == 201
    again = held(customer, *seats[1:3])
    assert moment(again["max_expires_at"]) == moment(made["max_expires_at"]) - 5 * MINUTE


def test_the_live_hold_counts_even_when_an_older_request_made_it(
    customer: APIClient, seats: list[Seat]
) -> None:
    """`created_at` is the time of BEGIN, so a transaction that waited looks older."""
    first = held(customer, seats[0])
    customer.delete(f"/api/holds/{first['id']}")
    second = held(customer, seats[0])
    Hold.objects.filter(pk=second["id"]).update(created_at=timezone.now() - MINUTE)
    response = hold_seats(customer, seats[1])
    assert (response.status_code, response.json()["id"]) == (200, second["id"])


def test_a_released_hold_frees_its_seats_at_once(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, *seats[:2])
    address = f"/api/holds/{made['id']}"
    for _ in range(2):
        response = customer.delete(address)
        assert (response.status_code, response.content) == (204, b"")
    assert states(*seats[:2]) == ["available", "available"]
    assert refusal(extend(customer, made["id"])) == (404, "hold_not_found")
    bought(rival, *seats[:2])


def test_a_booked_hold_is_neither_released_nor_extended(
    customer: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, seats[0])
    book(customer, hold_id=made["id"])
    for response in (customer.delete(f"/api/holds/{made['id']}"), extend(customer, made["id"])):
        assert refusal(response) == (409, "hold_already_booked")
    assert states(seats[0]) == ["booked"]


def test_a_late_release_does_not_affect_the_next_owner(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, *seats[:2])
    let_expire(made["id"])
    held(rival, seats[0])
    assert customer.delete(f"/api/holds/{made['id']}").status_code == 204
    assert states(*seats[:2]) == ["held", "available"]


@pytest.fixture(params=[False, True], ids=["not swept", "swept"])
def expired(request: pytest.FixtureRequest, customer: APIClient, seats: list[Seat]) -> str:
    """The id of an expired hold of the first two seats."""
    hold_id: str = held(customer, *seats[:2])["id"]
    let_expire(hold_id)
    if request.param:
        release_expired_holds(batch=10)
    return hold_id


def test_an_expired_hold_that_was_released_is_not_booked(customer: APIClient, expired: str) -> None:
    swept_at = Hold.objects.get().ended_at
    for _ in range(2):
        assert customer.delete(f"/api/holds/{expired}").status_code == 204
    assert refusal(book(customer, hold_id=expired)) == (404, "hold_not_found")
    assert swept_at in (None, Hold.objects.get().ended_at)


def test_an_expired_hold_can_be_booked_while_its_seats_are_free(
    customer: APIClient, seats: list[Seat], expired: str
) -> None:
    assert book(customer, hold_id=expired).status_code == 201
    assert states(*seats[:2]) == ["booked", "booked"]
    assert Hold.objects.get().end_reason == "booked"


@pytest.mark.parametrize("taking", [held, bought])
def test_an_expired_hold_with_a_taken_seat_cannot_be_booked(
    customer: APIClient, rival: APIClient, seats: list[Seat], taking: Callable[..., Any]
) -> None:
    made = held(customer, *seats[:2])
    let_expire(made["id"])
    taking(rival, seats[0])
    assert refusal(book(customer, hold_id=made["id"])) == (409, "hold_expired")
    assert states(seats[1]) == ["held"]


def test_an_expired_hold_is_not_extended(customer: APIClient, seats: list[Seat]) -> None:
    made = held(customer, seats[0])
    let_expire(made["id"])
    assert refusal(extend(customer, made["id"])) == (409, "hold_expired")
    release_expired_holds(batch=10)
    assert refusal(extend(customer, made["id"])) == (409, "hold_expired")


def test_a_room_replaced_after_a_hold_expired_blocks_nobody(
    customer: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, *seats[:2])
    let_expire(made["id"])
    Seat.objects.filter(show=seats[0].show).delete()
    for response in (book(customer, hold_id=made["id"]), extend(customer, made["id"])):
        assert refusal(response) == (409, "hold_expired")
    new = make_seats(seats[0].show, "SSSS")
    bought(customer, new[0])
    assert held(customer, new[1])["id"] != made["id"]


def test_the_last_hold_is_found_by_its_index(customer: APIClient, seats: list[Seat]) -> None:
    with CaptureQueriesContext(connection) as queries:
        held(customer, seats[0])
    (asking,) = [query["sql"] for query in queries if "NULLS FIRST" in query["sql"]]
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):  # as few rows are read any way
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {asking}")
        plan = "\n".join(line for (line,) in cursor)
    assert "hold_by_user_show_and_end" in plan
    assert "Sort" not in plan


def test_a_failed_call_changes_nothing(
    customer: APIClient, rival: APIClient, show: Show, seats: list[Seat]
) -> None:
    made = held(customer, *seats[:2])
    bought(rival, seats[2])
    age(made["id"], 5)
    before = (list(Hold.objects.values()), list(Seat.objects.order_by("pk").values()))
    assert refusal(hold_seats(customer, *seats[1:4])) == (409, "seat_unavailable")
    assert refusal(hold(customer, show_id=show.pk, quantity=10)) == (409, "no_seats_together")
    assert refusal(hold(customer, show_id=show.pk, quantity=11)) == (422, "too_many_seats")
    unknown = hold(customer, show_id=show.pk, seat_ids=[seats[0].pk, 2**40])
    assert refusal(unknown) == (404, "seat_not_found")
    assert (list(Hold.objects.values()), list(Seat.objects.order_by("pk").values())) == before


def test_taken_seats_are_named(customer: APIClient, rival: APIClient, seats: list[Seat]) -> None:
    bought(rival, seats[0])
    held(rival, seats[2])
    Seat.objects.filter(pk=seats[3].pk).update(status=SeatStatus.BLOCKED)
    response = hold_seats(customer, *seats[:4])
    assert refusal(response) == (409, "seat_unavailable")
    assert response.json()["seat_ids"] == [seats[0].pk, seats[2].pk, seats[3].pk]


def test_an_expired_hold_of_another_user_is_replaced(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    theirs = held(rival, *seats[:2])
    let_expire(theirs["id"])
    mine = held(customer, seats[0])
    assert Seat.objects.get(pk=seats[0].pk).hold_id == Hold.objects.get(pk=mine["id"]).pk
    assert release_expired_holds(batch=10) == 1
    assert states(*seats[:2]) == ["held", "available"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"status": ShowStatus.CANCELLED}, (409, "show_closed")),
        ({"status": ShowStatus.PLANNED}, (404, "show_not_found")),
        ({"sales_close_at": datetime(2020, 1, 1, tzinfo=UTC)}, (409, "show_closed")),
        ({"start_time": datetime(2020, 1, 1, tzinfo=UTC), "end_time": None}, (409, "show_closed")),
    ],
)
def test_nothing_is_held_or_extended_for_a_closed_show(
    customer: APIClient,
    show: Show,
    seats: list[Seat],
    columns: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    made = held(customer, seats[0])
    Show.objects.filter(pk=show.pk).update(**columns)
    for response in (
        hold_seats(customer, seats[1]),
        hold(customer, show_id=show.pk, quantity=1),
        hold(customer, show_id=show.pk, quantity=9),
        extend(customer, made["id"]),
    ):
        assert refusal(response) == expected
    assert customer.delete(f"/api/holds/{made['id']}").status_code == 204


def test_an_unknown_show_is_not_found(customer: APIClient) -> None:
    assert refusal(hold(customer, show_id=2**53 - 1, seat_ids=[1])) == (404, "show_not_found")
    assert refusal(hold(customer, show_id=2**53 - 1, quantity=1)) == (404, "show_not_found")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["show_id"]),
        ({"show_id": 1}, ["quantity", "seat_ids"]),
        ({"show_id": 1, "seat_ids": [1], "quantity": 1}, ["quantity"]),
        ({"show_id": 1, "seat_ids": [1], "category": "standard"}, ["category"]),
        ({"show_id": 1, "seat_ids": [1, 1]}, ["seat_ids"]),
        ({"show_id": 1, "quantity": 0}, ["quantity"]),
        ({"show_id": 1, "quantity": True}, ["quantity"]),
        ({"show_id": 1, "quantity": 1, "category": "sofa"}, ["category"]),
        ({"show_id": 1, "quantity": 1, "accessible": 1}, ["accessible"]),
        ({"show_id": 1, "quantity": 1, "hold_id": "x"}, ["hold_id"]),
    ],
)
def test_an_invalid_body_names_its_fields(
    customer: APIClient, body: dict[str, Any], fields: list[str]
) -> None:
    response = hold(customer, **body)
    assert refusal(response) == (400, "validation_failed")
    assert sorted(response.json()["errors"]) == fields


def test_an_invalid_body_is_refused_by_calls_without_one(
    customer: APIClient, seats: list[Seat]
) -> None:
    made = held(customer, seats[0])
    address = f"/api/holds/{made['id']}"
    for response in (
        customer.post(f"{address}/extend", {"minutes": 60}, format="json"),
        customer.delete(address, {"now": True}, format="json"),
    ):
        assert refusal(response) == (400, "validation_failed")
    assert customer.post(f"{address}/extend").status_code == 200
    assert customer.delete(address).status_code == 204


# Best available


def test_the_best_seats_are_held_together(customer: APIClient, show: Show) -> None:
    rows = make_seats(show, "SSSSSS", "SSSSSS", "SSSSSS")
    response = hold(customer, show_id=show.pk, quantity=2)
    assert response.status_code == 201
    assert seat_ids(response.json()) == [rows[8].pk, rows[9].pk]


def test_best_seats_have_the_requested_category(customer: APIClient, show: Show) -> None:
    make_seats(show, "SSSS", "PPPP")
    document = hold(customer, show_id=show.pk, quantity=2, category="standard").json()
    assert {seat["category"] for seat in document["seats"]} == {"standard"}


def test_an_accessible_party_gets_a_bay_and_its_companion(customer: APIClient, show: Show) -> None:
    make_seats(show, "SSSS", "SSWC")
    document = hold(customer, show_id=show.pk, quantity=2, accessible=True).json()
    assert {seat["category"] for seat in document["seats"]} == {"wheelchair", "companion"}
    ordinary = hold(customer, show_id=show.pk, quantity=2, accessible=False).json()
    assert {seat["category"] for seat in ordinary["seats"]} == {"standard"}


def test_no_seats_together_reports_the_largest_block(customer: APIClient, show: Show) -> None:
    make_seats(show, "SSS.SS")
    response = hold(customer, show_id=show.pk, quantity=4)
    assert refusal(response) == (409, "no_seats_together")
    assert response.json()["largest_block"] == 3


def test_own_held_seats_count_as_free_for_the_best(customer: APIClient, seats: list[Seat]) -> None:
    first = held(customer, *seats[:4])
    document = hold(customer, show_id=seats[0].show_id, quantity=4)
    assert (document.status_code, document.json()["id"]) == (200, first["id"])


# The rules for choosing seats


@pytest.fixture
def gap_rule_show() -> Show:
    screen = ScreenFactory(theatre__gap_rule="middle_only")
    start = timezone.now() + timedelta(days=1)
    return ShowFactory(
        theatre=screen.theatre, screen=screen, occupied_until=start + timedelta(hours=3)
    )


def test_no_hold_leaves_a_single_seat_between_taken_ones(
    customer: APIClient, rival: APIClient, gap_rule_show: Show
) -> None:
    seats = make_seats(gap_rule_show, "SSSSSS")
    held(rival, seats[0])
    response = hold_seats(customer, seats[2])
    assert refusal(response) == (422, "single_seat_gap")
    assert all(
        hold(customer, show_id=gap_rule_show.pk, seat_ids=choice).status_code in (200, 201)
        for choice in response.json()["alternatives"]
    )


def test_an_accepted_hold_is_sold_whatever_happens_in_its_row(
    customer: APIClient, rival: APIClient, gap_rule_show: Show
) -> None:
    seats = make_seats(gap_rule_show, "SSSSSS")
    made = held(customer, seats[2])
    Seat.objects.filter(pk=seats[0].pk).update(status=SeatStatus.BLOCKED)
    assert book_seats(rival, seats[0]).status_code == 409
    assert hold_seats(customer, seats[2]).status_code == 200
    assert extend(customer, made["id"]).status_code == 200
    assert book(customer, hold_id=made["id"]).status_code == 201


def test_a_companion_seat_is_held_with_its_bay_only(customer: APIClient, show: Show) -> None:
    bay, companion = make_seats(show, "WC")
    assert refusal(hold_seats(customer, companion)) == (422, "companion_required")
    made = held(customer, bay, companion)
    response = hold_seats(customer, companion)
    assert refusal(response) == (422, "companion_required")
    assert seat_ids(customer.get(f"/api/holds/{made['id']}").json()) == [bay.pk, companion.pk]


def test_shortly_before_the_start_companion_seats_are_for_everybody(
    customer: APIClient, show: Show
) -> None:
    _, companion = make_seats(show, "WC")
    start_in(show, minutes=59)
    assert hold_seats(customer, companion).status_code == 201
    assert not Booking.objects.exists()


def test_a_seat_that_was_taken_from_a_hold_is_not_freed_by_dropping_it(
    customer: APIClient, show: Show
) -> None:
    available, blocked = make_seats(show, "SS")
    held(customer, available, blocked)
    Seat.objects.filter(pk=blocked.pk).update(
        status=SeatStatus.BLOCKED, hold_id=None, held_until=None
    )
    held(customer, available)
    assert states(available, blocked) == ["held", "blocked"]
