"""Calls of a customer's client, and helpers that move times in the database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import connection
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIClient

from booking_site.api.problems import catalogue
from bookings.models import Booking, Hold
from catalog.models import Seat, Show

MEMBERS_OF_PROBLEMS = {"type", "title", "status", "detail", "code", "message", "request_id"}


def book(client: APIClient, *, key: str | None = None, **body: Any) -> Response:
    """Send a purchase, with a new key unless one is given."""
    return client.post(
        "/api/bookings", body, format="json", HTTP_IDEMPOTENCY_KEY=key or uuid4().hex
    )


def book_seats(client: APIClient, *seats: Seat, key: str | None = None) -> Response:
    return book(client, key=key, show_id=seats[0].show_id, seat_ids=[seat.pk for seat in seats])


def hold(client: APIClient, **body: Any) -> Response:
    return client.post("/api/holds", body, format="json")


def hold_seats(client: APIClient, *seats: Seat) -> Response:
    return hold(client, show_id=seats[0].show_id, seat_ids=[seat.pk for seat in seats])


def held(client: APIClient, *seats: Seat) -> dict[str, Any]:
    """Hold the seats and return the hold."""
    response = hold_seats(client, *seats)
    assert response.status_code in (200, 201), response.content
    return dict(response.json())


def bought(client: APIClient, *seats: Seat) -> dict[str, Any]:
    """Buy the seats and return the answer."""
    response = book_seats(client, *seats)
    assert response.status_code == 201, response.content
    return dict(response.json())


def refusal(response: Response) -> tuple[int, str]:
    """Return status and code of a problem document, checked to have the members of its code."""
    document = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert document["status"] == response.status_code
    assert document["message"] == document["detail"] != ""
    errors = {"errors"} if response.status_code == 400 else set()
    members = {*catalogue()[document["code"]].members}
    assert set(document) == MEMBERS_OF_PROBLEMS | errors | members
    return response.status_code, document["code"]


def states(*seats: Seat) -> list[str]:
    status = dict(
        Seat.objects.filter(pk__in=[seat.pk for seat in seats]).values_list("pk", "status")
    )
    return [status[seat.pk] for seat in seats]


def start_in(show: Show, **delta: float) -> None:
    start = timezone.now() + timedelta(**delta)
    Show.objects.filter(pk=show.pk).update(start_time=start, end_time=None)


def let_expire(hold_id: str, *, ago: timedelta = timedelta(hours=1)) -> None:
    """Move the end of a hold into the past, in its row and its seats."""
    past = timezone.now() - ago
    Hold.objects.filter(pk=hold_id).update(expires_at=past)
    Seat.objects.filter(hold_id=hold_id).update(held_until=past)


def end_show(show: Show) -> None:
    """Move the show into the past, so that it ended a minute ago."""
    end = timezone.now() - timedelta(minutes=1)
    times = {"start_time": end - timedelta(hours=2), "end_time": end, "occupied_until": None}
    Show.objects.filter(pk=show.pk).update(**times)


def nothing_happened(*seats: Seat) -> bool:
    """Return whether the seats are free and there are no bookings."""
    return set(states(*seats)) == {"available"} and not Booking.objects.exists()


def elsewhere(action: Callable[[], Any]) -> Any:
    """Run the action on another connection, and return its result.

    If it waits for a lock of the caller, it fails after a timeout instead of waiting forever.
    """

    def act() -> Any:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result(timeout=15)
