"""What a show publishes about its sales agrees with what holds and bookings accept."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from booking_site.api.fields import utc_text
from bookings.models import Order
from catalog.models import GapRule, Seat, SeatCategory, SeatStatus, Show, ShowStatus
from tests.bookings.calls import book_seats, bought, held, hold_seats, refusal
from tests.factories import MovieFactory, ScreenFactory, make_seats, planned_show

pytestmark = pytest.mark.django_db


@pytest.fixture
def show() -> Show:
    show = planned_show(
        movie=MovieFactory(), screen=ScreenFactory(), start_time=in_minutes(3 * 24 * 60)
    )
    make_seats(show, "SSPP")
    return show


@pytest.fixture
def seats(show: Show) -> list[Seat]:
    return list(show.seats.order_by("number"))


def in_minutes(minutes: float) -> datetime:
    return timezone.now() + timedelta(minutes=minutes)


def change(show: Show, **columns: Any) -> None:
    Show.objects.filter(pk=show.pk).update(**columns)


def start(show: Show, minutes: float) -> None:
    change(show, start_time=in_minutes(minutes), end_time=None, occupied_until=in_minutes(999))


def published(api: APIClient, show: Show) -> dict[str, Any]:
    response = api.get(f"/api/shows/{show.pk}")
    assert response.status_code == 200
    facts: dict[str, Any] = response.json()
    return facts


def block_all(show: Show) -> None:
    show.seats.update(status=SeatStatus.BLOCKED)


STATES: dict[str, tuple[Callable[[Show], None], str | None]] = {
    "on sale": (lambda show: None, None),
    "sales have begun": (lambda show: change(show, sales_open_at=in_minutes(-1)), None),
    "sales close soon": (lambda show: change(show, sales_close_at=in_minutes(1)), None),
    "sales open soon": (lambda show: change(show, sales_open_at=in_minutes(1)), "sales_not_open"),
    "sales are closed": (lambda show: change(show, sales_close_at=in_minutes(-1)), "show_closed"),
    "sales never opened": (
        lambda show: change(show, sales_open_at=in_minutes(-9), sales_close_at=in_minutes(-1)),
        "show_closed",
    ),
    "started": (lambda show: start(show, -1), "show_closed"),
    "cancelled": (lambda show: change(show, status=ShowStatus.CANCELLED), "show_closed"),
    "no available seat": (block_all, "seat_unavailable"),
    "cancelled before its sales": (
        lambda show: change(show, status=ShowStatus.CANCELLED, sales_open_at=in_minutes(1)),
        "show_closed",
    ),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("buy", [book_seats, hold_seats], ids=["booking", "hold"])
def test_a_show_is_bookable_exactly_if_a_purchase_can_begin(
    customer: APIClient, show: Show, seats: list[Seat], state: str, buy: Any
) -> None:
    arrange, code = STATES[state]
    arrange(show)
    assert published(customer, show)["bookable"] is (code is None)
    response = buy(customer, seats[0])
    if code is None:
        assert response.status_code == 201
    else:
        assert refusal(response) == (409, code)


def test_before_its_sales_open_a_show_refuses_every_purchase_and_says_when(
    customer: APIClient, show: Show, seats: list[Seat]
) -> None:
    hold = held(customer, seats[0])
    opens = in_minutes(60)
    change(show, sales_open_at=opens)
    assert published(customer, show)["sales_open_at"] == utc_text(opens)
    of_hold = {"hold_id": hold["id"]}
    for response in (
        book_seats(customer, seats[1]),
        customer.post("/api/bookings", of_hold, format="json", HTTP_IDEMPOTENCY_KEY="key"),
        hold_seats(customer, seats[1]),
        customer.post("/api/holds", {"show_id": show.pk, "quantity": 1}, format="json"),
        customer.post(f"/api/holds/{hold['id']}/extend", {}, format="json"),
    ):
        assert refusal(response) == (409, "sales_not_open")
        assert response.json()["sales_open_at"] == utc_text(opens)
    assert not Order.objects.exists()


@pytest.mark.parametrize(("minutes", "is_bookable"), [(61, False), (59, True)])
def test_companion_seats_alone_are_bookable_only_when_their_rule_has_ended(
    customer: APIClient, show: Show, seats: list[Seat], minutes: int, is_bookable: bool
) -> None:
    start(show, minutes)
    show.seats.exclude(pk=seats[0].pk).update(status=SeatStatus.BLOCKED)
    show.seats.filter(pk=seats[0].pk).update(category=SeatCategory.COMPANION)
    assert published(customer, show)["bookable"] is is_bookable
    status = book_seats(customer, seats[0]).status_code
    assert status == (201 if is_bookable else 422)


@pytest.mark.parametrize(
    ("rule", "with_screen", "minutes", "published_rule"),
    [
        (GapRule.MIDDLE_ONLY, True, 31, "middle_only"),
        (GapRule.MIDDLE_ONLY, True, 29, "off"),
        (GapRule.MIDDLE_ONLY, False, 31, "off"),
        (GapRule.OFF, True, 31, "off"),
    ],
)
def test_the_hold_policy_has_the_gap_rule_that_applies(
    customer: APIClient,
    show: Show,
    seats: list[Seat],
    settings: Any,
    rule: GapRule,
    with_screen: bool,
    minutes: int,
    published_rule: str,
) -> None:
    settings.HOLD_MINUTES, settings.MAX_SEATS_PER_ORDER = 7, 4
    show.theatre.gap_rule = rule
    show.theatre.save()
    if not with_screen:
        change(show, screen=None)
    start(show, minutes)
    policy = {"minutes": 7, "max_seats": 4, "gap_rule": published_rule}
    assert published(customer, show)["hold_policy"] == policy
    bought(customer, seats[3])
    # Leaves the third seat alone between two taken ones.
    status = hold_seats(customer, seats[1]).status_code
    assert status == (422 if published_rule == "middle_only" else 201)


@pytest.mark.parametrize(("minutes", "status"), [(1, 200), (-1, 409)])
def test_a_booking_can_be_cancelled_until_the_published_time(
    customer: APIClient, show: Show, seats: list[Seat], settings: Any, minutes: int, status: int
) -> None:
    settings.CANCELLATION_CUTOFF_MINUTES = 90
    answer = bought(customer, seats[0])
    starts = in_minutes(90 + minutes)
    change(show, start_time=starts, end_time=None, occupied_until=in_minutes(999))
    until = utc_text(starts - timedelta(minutes=90))
    booking = f"/api/bookings/{answer['booking']['id']}"
    order = f"/api/orders/{answer['order']['reference']}"
    for address in (f"/api/shows/{show.pk}", booking, order):
        assert customer.get(address).json()["cancellable_until"] == until
    assert customer.post(f"{booking}/cancel").status_code == status


def test_what_is_cancelled_cannot_be_cancelled_again(
    customer: APIClient, seats: list[Seat]
) -> None:
    answer = bought(customer, seats[0], seats[1])
    first, second = (f"/api/bookings/{booking['id']}" for booking in answer["bookings"])
    order = f"/api/orders/{answer['order']['reference']}"
    until = answer["order"]["cancellable_until"]
    assert customer.post(f"{first}/cancel").json()["cancellable_until"] is None
    assert customer.get(second).json()["cancellable_until"] == until
    assert customer.get(order).json()["cancellable_until"] == until
    assert customer.post(f"{order}/cancel").json()["cancellable_until"] is None


def test_the_answer_to_a_purchase_has_the_fields_of_the_order(
    customer: APIClient, show: Show, seats: list[Seat]
) -> None:
    answer = bought(customer, seats[0])
    order = customer.get(f"/api/orders/{answer['order']['reference']}").json()
    assert order["bookings"][0].items() <= answer["booking"].items()
    del order["bookings"]
    assert answer["order"] == order
    named = (show.movie.title, show.theatre.name, utc_text(show.start_time))
    booking = answer["booking"]
    assert (booking["movie_title"], booking["theatre_name"], booking["start_time"]) == named


def test_a_purchase_for_a_show_without_a_screen_or_an_end_has_the_fields_of_the_order(
    customer: APIClient, show: Show, seats: list[Seat]
) -> None:
    change(show, screen=None, end_time=None, occupied_until=None)
    answer = bought(customer, seats[0])
    order = customer.get(f"/api/orders/{answer['order']['reference']}").json()
    assert (order["screen_name"], order["end_time"]) == (None, None)
    assert {**answer["order"], "bookings": order["bookings"]} == order


def test_the_lowest_price_of_each_category_is_that_of_an_available_seat(
    api: APIClient, show: Show, seats: list[Seat]
) -> None:
    for seat, price in zip(seats, ("12.00", "9.50", "20.00", "18.00"), strict=True):
        show.seats.filter(pk=seat.pk).update(price=price)
    facts = published(api, show)
    assert facts["prices_from"] == {"standard": "9.50", "premium": "18.00"}
    assert facts["price_from"] == "9.50"
    show.seats.filter(pk__in=[seats[1].pk, seats[2].pk, seats[3].pk]).update(status="booked")
    assert published(api, show)["prices_from"] == {"standard": "12.00"}
    show.seats.update(status="booked")
    facts = published(api, show)
    assert (facts["prices_from"], facts["price_from"]) == ({}, None)
