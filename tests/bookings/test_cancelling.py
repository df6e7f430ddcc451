"""Cancelling a booking or an order, whose seats become free again."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.models import User
from bookings.models import Booking, Order
from catalog.models import Seat, Show, ShowStatus
from tests.bookings.calls import bought, refusal, start_in, states
from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


def cancel(client: APIClient, booking_id: int) -> Response:
    return client.post(f"/api/bookings/{booking_id}/cancel", {}, format="json")


def cancel_order(client: APIClient, reference: str) -> Response:
    return client.post(f"/api/orders/{reference}/cancel", {}, format="json")


def test_a_cancelled_booking_stays_and_its_seat_is_free_again(
    customer: APIClient, user: User, rival: APIClient, seats: list[Seat]
) -> None:
    number = bought(customer, seats[0])["booking"]["id"]
    response = cancel(customer, number)
    assert response.status_code == 200
    row = Booking.objects.get()
    assert (response.json()["id"], response.json()["status"]) == (number, "cancelled")
    assert datetime.fromisoformat(response.json()["cancelled_at"]) == row.cancelled_at
    assert row.cancelled_by == user
    assert states(seats[0]) == ["available"]
    bought(rival, seats[0])


def test_cancelling_again_does_not_affect_the_next_buyer(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    number = bought(customer, seats[0])["booking"]["id"]
    first = cancel(customer, number)
    bought(rival, seats[0])
    start_in(seats[0].show, minutes=5)
    again = cancel(customer, number)
    assert again.status_code == 200
    assert again.json()["cancelled_at"] == first.json()["cancelled_at"]
    assert states(seats[0]) == ["booked"]


@pytest.mark.parametrize(("minutes", "status"), [(61, 200), (59, 409), (-1, 409)])
def test_cancelling_closes_an_hour_before_the_start(
    customer: APIClient, seats: list[Seat], minutes: int, status: int
) -> None:
    answer = bought(customer, seats[0])
    start_in(seats[0].show, minutes=minutes)
    response = cancel(customer, answer["booking"]["id"])
    assert response.status_code == status
    if status == 409:
        assert refusal(response) == (409, "cancellation_closed")
        assert refusal(cancel_order(customer, answer["order"]["reference"]))[0] == 409
        assert states(seats[0]) == ["booked"]


@pytest.mark.parametrize("show_status", [ShowStatus.PLANNED, ShowStatus.CANCELLED])
def test_a_booking_can_be_cancelled_whatever_the_status_of_its_show(
    customer: APIClient, seats: list[Seat], show_status: ShowStatus
) -> None:
    number = bought(customer, seats[0])["booking"]["id"]
    Show.objects.update(status=show_status)
    assert cancel(customer, number).status_code == 200


def test_bookings_and_orders_of_others_are_not_found(
    customer: APIClient, rival: APIClient, seats: list[Seat]
) -> None:
    answer = bought(rival, seats[0])
    for number in (answer["booking"]["id"], 2**53 - 1):
        assert refusal(cancel(customer, number)) == (404, "booking_not_found")
    for reference in (answer["order"]["reference"], "AAAA-AAAA"):
        assert refusal(cancel_order(customer, reference)) == (404, "order_not_found")
    assert states(seats[0]) == ["booked"]


def test_cancelling_an_order_cancels_all_its_bookings(
    customer: APIClient, seats: list[Seat]
) -> None:
    answer = bought(customer, *seats[:3])
    cancel(customer, answer["bookings"][1]["id"])
    before = Booking.objects.get(pk=answer["bookings"][1]["id"]).cancelled_at
    for _ in range(2):
        response = cancel_order(customer, answer["order"]["reference"])
        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"
        assert {each["status"] for each in response.json()["bookings"]} == {"cancelled"}
    assert states(*seats[:3]) == ["available"] * 3
    assert Booking.objects.get(pk=answer["bookings"][1]["id"]).cancelled_at == before
    assert Order.objects.get().total == 36


def test_one_cancelled_booking_cancels_a_part_of_its_order(
    customer: APIClient, seats: list[Seat]
) -> None:
    answer = bought(customer, *seats[:2])
    cancel(customer, answer["booking"]["id"])
    order = customer.get(f"/api/orders/{answer['order']['reference']}").json()
    assert order["status"] == "partially_cancelled"
    assert [each["status"] for each in order["bookings"]] == ["cancelled", "confirmed"]
    assert states(*seats[:2]) == ["available", "booked"]


def test_an_order_returns_its_bookings_as_they_are_returned_alone(customer: APIClient) -> None:
    rows = make_seats(ShowFactory(), "S", "SS")
    answer = bought(customer, *reversed(rows))
    ids = [each["id"] for each in answer["bookings"]]
    cancel(customer, ids[1])
    Booking.objects.filter(pk=ids[2]).update(price=None)  # as plain SQL leaves it
    order = customer.get(f"/api/orders/{answer['order']['reference']}").json()
    assert [each["id"] for each in order["bookings"]] == ids
    for listed in order["bookings"]:
        booking = customer.get(f"/api/bookings/{listed['id']}").json()
        assert listed == {name: booking[name] for name in listed}


def test_a_booking_of_the_original_tables_is_cancelled_too(
    customer: APIClient, user: User, seats: list[Seat]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bookings (user_id, show_id, seat_id) VALUES (%s, %s, %s) RETURNING id",
            [user.pk, seats[0].show_id, seats[0].pk],
        )
        number = cursor.fetchone()[0]
        cursor.execute("UPDATE seats SET status = 'booked' WHERE id = %s", [seats[0].pk])
    assert cancel(customer, number).json()["status"] == "cancelled"
    assert states(seats[0]) == ["available"]


def test_cancelling_accepts_no_fields(customer: APIClient, seats: list[Seat]) -> None:
    number = bought(customer, seats[0])["booking"]["id"]
    response = customer.post(f"/api/bookings/{number}/cancel", {"why": "ill"}, format="json")
    assert refusal(response) == (400, "validation_failed")
    assert customer.post(f"/api/bookings/{number}/cancel").status_code == 200
    assert Booking.objects.get().cancelled_at.tzinfo == UTC
