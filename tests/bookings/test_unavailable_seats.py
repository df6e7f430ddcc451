"""GET /api/shows/{id}/seats?fields=status: the seats that the caller cannot book."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.authentication import Caller
from accounts.models import User
from bookings.seat_map import unavailable_seats
from bookings.services.archiving import archive_rooms
from catalog.models import SOLD_BEFORE, Seat, SeatStatus, Show, ShowStatus
from catalog.seat_maps import block_seats
from tests.bookings.calls import bought, held, let_expire, refusal
from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db

Listed = list[dict[str, Any]]


def unavailable(client: APIClient, show: Show) -> Listed:
    response = client.get(f"/api/shows/{show.pk}/seats?fields=status")
    assert response.status_code == 200, response.content
    return list(response.json())


def of_map(client: APIClient, show: Show) -> Listed:
    """Return what the whole map shows of the seats that the client cannot book."""
    seats = client.get(f"/api/shows/{show.pk}/seats").json()
    return [
        {name: seat[name] for name in ("id", "status", "state")}
        for seat in seats
        if seat["status"] == "booked"
    ]


def test_each_caller_gets_the_seats_that_the_caller_cannot_book(
    api: APIClient, customer: APIClient, rival: APIClient, show: Show
) -> None:
    _, blocked, mine, held_by_me, theirs, held_by_them, over = make_seats(show, "SSSSSSS")
    block_seats(show_id=show.pk, seat_ids=[blocked.pk], reason="Broken")
    let_expire(held(customer, over)["id"])
    bought(customer, mine)
    bought(rival, theirs)
    held(customer, held_by_me)
    held(rival, held_by_them)

    off = {"id": blocked.pk, "status": "booked", "state": "blocked"}
    sold = [{"id": each.pk, "status": "booked", "state": "booked"} for each in (mine, theirs)]
    reserved = [
        {"id": each.pk, "status": "booked", "state": "held"} for each in (held_by_me, held_by_them)
    ]
    assert unavailable(api, show) == [off, sold[0], reserved[0], sold[1], reserved[1]]
    assert unavailable(customer, show) == [off, *sold, reserved[1]]
    assert unavailable(rival, show) == [off, sold[0], reserved[0], sold[1]]
    for client in (api, customer, rival):
        assert unavailable(client, show) == of_map(client, show)


def test_an_archived_show_has_the_same_unavailable_seats(
    api: APIClient, customer: APIClient, show: Show, settings: Settings
) -> None:
    sold, blocked, free, sold_before, last = make_seats(show, "SS", ".SSS")
    bought(customer, sold)
    bought(customer, last)
    block_seats(show_id=show.pk, seat_ids=[blocked.pk], reason="Broken")
    block_seats(show_id=show.pk, seat_ids=[sold_before.pk], reason=SOLD_BEFORE)
    end = timezone.now() - timedelta(days=settings.ARCHIVE_AFTER_DAYS + 1)
    Show.objects.update(start_time=end - timedelta(hours=2), end_time=end)
    before = unavailable(api, show)
    assert [seat["id"] for seat in before] == [sold.pk, blocked.pk, sold_before.pk, last.pk]
    assert archive_rooms() == 1
    assert not Seat.objects.filter(pk__in=[blocked.pk, free.pk]).exists()
    assert unavailable(api, show) == before == of_map(api, show)


def test_an_unchanged_list_is_not_sent_again(
    api: APIClient, customer: APIClient, show: Show
) -> None:
    first, second, third = make_seats(show, "SSS")
    held(customer, second)
    address = f"/api/shows/{show.pk}/seats?fields=status"
    before = api.get(address)
    assert before["ETag"] != api.get(address.partition("?")[0])["ETag"]
    # What the map shows beyond the list can change without it.
    Seat.objects.filter(pk=first.pk).update(price=20)
    unchanged = api.get(address, HTTP_IF_NONE_MATCH=before["ETag"])
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    # A hold becomes a booking of the same seat.
    bought(customer, second)
    after = api.get(address, HTTP_IF_NONE_MATCH=before["ETag"])
    assert (after.status_code, after.json()) == (
        200,
        [{"id": second.pk, "status": "booked", "state": "booked"}],
    )
    bought(customer, third)
    assert api.get(address, HTTP_IF_NONE_MATCH=after["ETag"]).status_code == 200
    assert customer.get(address)["Cache-Control"] == "private, no-cache"


def test_a_new_seat_map_changes_the_ids(api: APIClient, show: Show) -> None:
    make_seats(show, "SS")
    Seat.objects.update(status=SeatStatus.BLOCKED)
    before = unavailable(api, show)
    Seat.objects.all().delete()
    make_seats(show, "SS")
    Seat.objects.update(status=SeatStatus.BLOCKED)
    after = unavailable(api, show)
    assert [seat["id"] for seat in after] == list(Seat.objects.values_list("pk", flat=True))
    assert after != before


def test_callers_for_whom_the_list_is_equal_share_it(
    customer: APIClient, user: User, rival: APIClient, show: Show
) -> None:
    """Including callers with bookings, each of whom has a whole map of their own."""
    mine, theirs, held_by_me, _ = make_seats(show, "SSSS")
    bought(customer, mine)
    bought(rival, theirs)
    caller = Caller(id=user.pk, token_version=user.token_version)
    first = unavailable_seats(show_id=show.pk, caller=caller)
    assert unavailable_seats(show_id=show.pk, caller=None) is first
    held(customer, held_by_me)
    assert unavailable_seats(show_id=show.pk, caller=caller) == first
    assert unavailable_seats(show_id=show.pk, caller=None) != first


def test_the_list_is_one_statement_and_under_a_kilobyte(
    api: APIClient, customer: APIClient, show: Show
) -> None:
    seats = make_seats(show, *["S" * 20] * 12)
    bought(customer, *seats[5:15])
    address = f"/api/shows/{show.pk}/seats?fields=status"
    api.get(address)
    with CaptureQueriesContext(connection) as captured:
        response = api.get(address)
    assert len(captured) == 1
    assert len(response.json()) == 10
    # Also with the longest ids that JSON numbers can have.
    longest = len(str(2**53)) - len(str(seats[-1].pk))
    assert len(response.content) + 10 * longest < 1024


@pytest.mark.parametrize("status", [ShowStatus.OPEN, ShowStatus.CANCELLED])
def test_a_show_without_seats_has_an_empty_list(
    api: APIClient, show: Show, status: ShowStatus
) -> None:
    Show.objects.update(status=status)
    assert unavailable(api, show) == []


def test_a_planned_or_unknown_show_has_no_list(api: APIClient) -> None:
    show = ShowFactory(status=ShowStatus.PLANNED)
    for number in (show.pk, 2**53 - 1):
        response = api.get(f"/api/shows/{number}/seats?fields=status")
        assert refusal(response) == (404, "show_not_found")


@pytest.mark.parametrize("value", ["STATUS", "status,price", "id", "status ", "0"])
def test_other_fields_are_refused(api: APIClient, show: Show, value: str) -> None:
    make_seats(show, "S")
    response = api.get(f"/api/shows/{show.pk}/seats", {"fields": value})
    assert refusal(response) == (400, "validation_failed")
    assert list(response.json()["errors"]) == ["fields"]


def test_an_empty_value_is_ignored_as_in_filters(api: APIClient, show: Show) -> None:
    make_seats(show, "SS")
    assert len(api.get(f"/api/shows/{show.pk}/seats?fields=").json()) == 2


@pytest.mark.django_db(transaction=True)
def test_every_list_has_the_seats_whose_bookings_were_answered_before(
    login: Callable[[User], APIClient], user: User, show: Show, race: Any
) -> None:
    seats = make_seats(show, *["SSSSSSSSSS"] * 3)
    answered: set[int] = set()
    missing: list[int] = []

    def buy() -> None:
        client = login(user)
        for seat in seats:
            bought(client, seat)
            answered.add(seat.pk)

    def read() -> None:
        client = APIClient()
        while len(answered) < len(seats):
            before = set(answered)
            missing.extend(before - {seat["id"] for seat in unavailable(client, show)})

    assert race([buy, read]) == [None] * 2
    assert missing == []
