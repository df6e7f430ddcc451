"""GET /api/shows/{id}/seats: the state of every seat for each caller."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models.functions import Length, Now
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.authentication import Caller
from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.postgres.clock import ClockTimestamp
from bookings import seat_map as room
from bookings.models import Hold
from bookings.seat_map import seat_map as read_seat_map
from bookings.services.refusals import taken_seats
from bookings.services.seat_locks import is_free
from catalog.layouts import parse_layout
from catalog.models import STATE_NOW, Seat, SeatStatus, Show, ShowStatus
from catalog.seat_maps import make_seat_map
from tests.bookings.calls import bought, held, let_expire, refusal
from tests.factories import SeatFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]


def seat_map(client: APIClient, show: Show) -> list[dict[str, Any]]:
    response = client.get(f"/api/shows/{show.pk}/seats")
    assert response.status_code == 200, response.content
    return list(response.json())


def seen(client: APIClient, show: Show) -> list[tuple[str, str, bool, int | None]]:
    return [
        (seat["status"], seat["state"], seat["mine"], seat["user_id"])
        for seat in seat_map(client, show)
    ]


def test_a_seat_has_all_its_fields(api: APIClient, show: Show) -> None:
    seat = make_seats(show, ".P")[0]
    assert seat_map(api, show) == [
        {
            "id": seat.pk,
            "row": "A",
            "section": "",
            "number": 1,
            "price": "12.00",
            "status": "available",
            "user_id": None,
            "state": "available",
            "mine": False,
            "category": "premium",
            "x": 1,
            "y": 0,
        }
    ]


def test_sections_come_one_after_the_other_each_with_row_a_first(
    api: APIClient, show: Show
) -> None:
    layout = parse_layout("B SS\nA <2+2 SS\n= Circle\nA S\n= Balcony\nAA S\nA S")
    make_seat_map(show_id=show.pk, layout=layout, prices={"standard": Decimal(12)})
    assert [(seat["row"], seat["section"], seat["number"]) for seat in seat_map(api, show)] == [
        ("A", "", 2),
        ("A", "", 4),
        ("B", "", 1),
        ("B", "", 2),
        ("Balcony A", "Balcony", 1),
        ("Balcony AA", "Balcony", 1),
        ("Circle A", "Circle", 1),
    ]


def test_a_change_of_the_section_reaches_the_cached_map(api: APIClient, show: Show) -> None:
    make_seats(show, "S")
    assert [seat["section"] for seat in seat_map(api, show)] == [""]
    Seat.objects.update(section="Stalls")
    assert [seat["section"] for seat in seat_map(api, show)] == ["Stalls"]


def test_users_see_their_own_seats_and_nobody_sees_who_sits_where(
    api: APIClient, customer: APIClient, user: User, rival: APIClient, show: Show
) -> None:
    free, blocked, mine, held_by_me, theirs, held_by_them, over = make_seats(show, "SSSSSSS")
    Seat.objects.filter(pk=blocked.pk).update(status=SeatStatus.BLOCKED)
    lapsed = held(customer, over)["id"]
    let_expire(lapsed)
    bought(customer, mine)
    held_by = {customer: held_by_me, rival: held_by_them}
    for client, seat in held_by.items():
        held(client, seat)
    bought(rival, theirs)
    assert free.pk

    nobody = ("available", "available", False, None)
    taken = ("booked", "held", False, None)
    sold = ("booked", "booked", False, None)
    off = ("booked", "blocked", False, None)
    assert seen(api, show) == [nobody, off, sold, taken, sold, taken, nobody]
    assert seen(customer, show) == [
        nobody,
        off,
        ("booked", "booked", True, user.pk),
        ("available", "held", True, None),
        sold,
        taken,
        nobody,
    ]
    assert [seat[2] for seat in seen(rival, show)] == [False] * 4 + [True, True, False]


def test_an_expired_own_hold_is_not_marked(customer: APIClient, show: Show) -> None:
    seat = make_seats(show, "S")[0]
    let_expire(held(customer, seat)["id"])
    assert seen(customer, show) == [("available", "available", False, None)]


def test_a_cancelled_booking_is_not_marked(
    customer: APIClient, rival: APIClient, show: Show
) -> None:
    seat = make_seats(show, "S")[0]
    number = bought(customer, seat)["booking"]["id"]
    customer.post(f"/api/bookings/{number}/cancel", {}, format="json")
    assert seen(customer, show) == [("available", "available", False, None)]
    bought(rival, seat)
    assert seen(customer, show) == [("booked", "booked", False, None)]


def test_rows_come_in_their_order_and_b_before_aa(api: APIClient, show: Show) -> None:
    for row, number in (("AA", 1), ("B", 10), ("B", 9), ("A", 1)):
        SeatFactory(show=show, row=row, number=number)
    places = [(seat["row"], seat["number"]) for seat in seat_map(api, show)]
    assert places == [("A", 1), ("B", 9), ("B", 10), ("AA", 1)]


def test_each_seat_has_its_own_state_whatever_the_order_of_the_rows(
    api: APIClient, show: Show
) -> None:
    states = {
        ("AA", 1): SeatStatus.BLOCKED,
        ("B", 10): SeatStatus.BOOKED,
        ("a", 2): SeatStatus.AVAILABLE,
        ("Ä", 3): SeatStatus.BLOCKED,
        ("B", 9): SeatStatus.AVAILABLE,
    }
    for (row, number), status in states.items():
        SeatFactory(show=show, row=row, number=number, status=status)
    assert {(seat["row"], seat["number"]): seat["state"] for seat in seat_map(api, show)} == states


def test_a_map_that_is_equal_for_two_callers_is_rendered_once(user: User, show: Show) -> None:
    make_seats(show, "SS")
    caller = Caller(id=user.pk, token_version=user.token_version)
    first = read_seat_map(show_id=show.pk, caller=None)
    assert read_seat_map(show_id=show.pk, caller=caller) is first


def test_the_next_buyer_of_a_cancelled_seat_sees_their_own_id(
    customer: APIClient, user: User, rival: APIClient, show: Show
) -> None:
    seat = make_seats(show, "S")[0]
    number = bought(customer, seat)["booking"]["id"]
    assert seen(customer, show) == [("booked", "booked", True, user.pk)]
    customer.post(f"/api/bookings/{number}/cancel", {}, format="json")
    buyer = bought(rival, seat)["booking"]["user_id"]
    assert buyer != user.pk
    assert seen(rival, show) == [("booked", "booked", True, buyer)]


def test_a_map_is_not_paginated(api: APIClient, show: Show) -> None:
    make_seats(show, *["S" * 30] * 20)
    response = api.get(f"/api/shows/{show.pk}/seats")
    assert len(response.json()) == 600
    assert "Link" not in response


def test_an_unchanged_map_is_not_sent_again(
    api: APIClient, customer: APIClient, show: Show
) -> None:
    seat = make_seats(show, "SS")[0]
    address = f"/api/shows/{show.pk}/seats"
    first = api.get(address)
    assert first["ETag"].startswith('W/"')
    assert first["Cache-Control"] == "public, no-cache"
    assert {"Authorization", "Origin"} <= set(first["Vary"].split(", "))
    unchanged = api.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    bought(customer, seat)
    changed = api.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (changed.status_code, changed["ETag"] != first["ETag"]) == (200, True)
    assert customer.get(address)["Cache-Control"] == "private, no-cache"


def test_an_expired_token_is_ignored(
    api: APIClient, customer: APIClient, user: User, show: Show, settings: Settings
) -> None:
    bought(customer, *make_seats(show, "S"))
    settings.ACCESS_TOKEN_LIFETIME = timedelta(seconds=-1)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(user).access}")
    assert seen(api, show) == [("booked", "booked", False, None)]


@pytest.mark.parametrize("header", ["", "Bearer x", "Bearer ", "Basic eDp5", "Bearer a.b.c"])
def test_an_invalid_token_is_ignored(
    api: APIClient, customer: APIClient, show: Show, header: str
) -> None:
    bought(customer, *make_seats(show, "S"))
    api.credentials(HTTP_AUTHORIZATION=header)
    assert seen(api, show) == [("booked", "booked", False, None)]


def test_unusual_whitespace_before_a_token_makes_it_invalid(
    api: APIClient, customer: APIClient, user: User, show: Show
) -> None:
    bought(customer, *make_seats(show, "S"))
    token = issue_tokens(user).access
    for written, mine in ((f" \t{token} ", True), (f"\xa0{token}", False)):
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {written}")
        assert seen(api, show) == [("booked", "booked", mine, user.pk if mine else None)]


def test_only_published_shows_have_a_map(api: APIClient, show: Show) -> None:
    assert seat_map(api, show) == []
    make_seats(show, "S")
    Show.objects.update(status=ShowStatus.CANCELLED)
    assert len(seat_map(api, show)) == 1
    Show.objects.update(status=ShowStatus.PLANNED)
    for number in (show.pk, 2**53 - 1):
        response = api.get(f"/api/shows/{number}/seats")
        assert refusal(response) == (404, "show_not_found")


def free_seats_for(show: Show, user: User, hold_id: str | None) -> dict[str, set[int]]:
    """Return the seats that are free for the user, according to each part of the code."""
    seats = list(Seat.objects.filter(show=show).annotate(now=ClockTimestamp()))
    caller = Caller(id=user.pk, token_version=user.token_version)
    taken = taken_seats(show_id=show.pk, seat_ids=[seat.pk for seat in seats], user_id=user.pk)
    own = UUID(hold_id) if hold_id else None
    seen = json.loads(read_seat_map(show_id=show.pk, caller=caller).body)
    return {
        "is_free": {seat.pk for seat in seats if is_free(seat, now=seat.now, hold_id=own)},
        "taken_seats": {pk for pk in taken if not taken[pk]},
        "seat_map": {seat["id"] for seat in seen if seat["status"] == "available"},
    }


def test_all_code_that_decides_whether_a_seat_is_free_agrees(
    customer: APIClient, user: User, rival: APIClient, show: Show
) -> None:
    free, blocked, sold, theirs, over, mine_over, mine = make_seats(show, "SSSSSSS")
    Seat.objects.filter(pk=blocked.pk).update(status=SeatStatus.BLOCKED)
    bought(rival, sold)
    for client, seat in ((rival, over), (customer, mine_over)):
        let_expire(held(client, seat)["id"])
        Hold.objects.update(ended_at=Now(), end_reason="expired")
    held(rival, theirs)
    hold_id = held(customer, mine)["id"]

    free_for_all = {free.pk, over.pk, mine_over.pk}
    for source, seats in free_seats_for(show, UserFactory(), None).items():
        assert seats == free_for_all, source
    for source, seats in free_seats_for(show, user, hold_id).items():
        assert seats == {*free_for_all, mine.pk}, source
    room = Seat.objects.filter(show=show)
    assert {seat.pk for seat in room.free()} == free_for_all
    assert {seat.pk for seat in room.taken()} == {sold.pk, theirs.pk, mine.pk}
    states = room.annotate(state=STATE_NOW).values_list("pk", "state")
    assert {pk for pk, state in states if state == "available"} == free_for_all


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE seats SET price = 13 WHERE id = %s",
        "UPDATE seats SET category = 'premium' WHERE id = %s",
        "UPDATE seats SET x = 7, y = NULL WHERE id = %s",
        "UPDATE seats SET number = 99 WHERE id = %s",
        "UPDATE seats SET row = 'ZZ' WHERE id = %s",
        "DELETE FROM seats WHERE id = %s",
        "INSERT INTO seats (show_id, row, number, price)"
        " SELECT show_id, 'B', 1, 5 FROM seats WHERE id = %s",
    ],
)
def test_a_room_that_plain_sql_changes_is_drawn_again(
    api: APIClient, show: Show, change: str
) -> None:
    first = make_seats(show, "SS")[0]
    before = seat_map(api, show)
    with connection.cursor() as cursor:
        cursor.execute(change, [first.pk])
    after = seat_map(api, show)
    assert after != before
    facts = ("id", "row", "number", "category", "x", "y")
    rows = Seat.objects.filter(show=show).order_by(Length("row"), "row", "number")
    assert [tuple(seat[name] for name in facts) for seat in after] == list(rows.values_list(*facts))
    assert [seat["price"] for seat in after] == [str(seat.price) for seat in rows]


def test_the_number_of_cached_rooms_is_limited(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_room", lru_cache(2)(room._room.__wrapped__))
    for each in ShowFactory.create_batch(3):
        make_seats(each, "S")
        seat_map(api, each)
    assert room._room.cache_info().currsize == 2


def test_a_revoked_token_marks_nothing(customer: APIClient, user: User, show: Show) -> None:
    sold, reserved = make_seats(show, "SS")
    bought(customer, sold)
    held(customer, reserved)
    assert [seat["mine"] for seat in seat_map(customer, show)] == [True, True]
    User.objects.filter(pk=user.pk).update(token_version=user.token_version + 1)
    assert [seat["mine"] for seat in seat_map(customer, show)] == [False, False]


@pytest.mark.django_db(transaction=True)
def test_no_map_shows_a_seat_free_after_its_booking_was_answered(
    login: Callable[[User], APIClient], show: Show, race: Race
) -> None:
    seats = make_seats(show, *["SSSSSSSSSS"] * 4)
    answered: set[int] = set()
    late: list[int] = []

    def buyer(wanted: list[Seat]) -> Callable[[], None]:
        client = login(UserFactory())

        def buy() -> None:
            for seat in wanted:
                bought(client, seat)
                answered.add(seat.pk)

        return buy

    def read() -> None:
        client = APIClient()
        while len(answered) < len(seats):
            before = set(answered)
            free = {seat["id"] for seat in seat_map(client, show) if seat["state"] == "available"}
            late.extend(before & free)

    outcomes = race([buyer(seats[:20]), buyer(seats[20:]), read, read])
    assert outcomes == [None] * 4
    assert late == []
