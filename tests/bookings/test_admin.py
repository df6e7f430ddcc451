"""Holds, orders and bookings in the back office are read-only for all roles."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from itertools import count
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from catalog.seat_maps import block_seats
from tests.factories import ShowFactory, UserFactory, make_seats

references = (f"K7Q4-{n:04}" for n in count())


def make_hold() -> Hold:
    show = ShowFactory()
    soon = timezone.now() + timedelta(minutes=10)
    seats = [seat.pk for seat in make_seats(show, "SS")]
    return Hold.objects.create(
        user=UserFactory(), show=show, seat_ids=seats, expires_at=soon, max_expires_at=soon
    )


def make_booking() -> Booking:
    show = ShowFactory()
    user = UserFactory()
    [seat] = make_seats(show, "S")
    order = Order.objects.create(
        reference=next(references), user=user, show=show, total=Decimal("12.00"), currency="USD"
    )
    return Booking.objects.create(
        user=user, show=show, seat=seat, order=order, price=Decimal("12.00")
    )


def make_order() -> Order:
    order = make_booking().order
    assert order
    return order


MAKERS: dict[str, Callable[[], Any]] = {
    "hold": make_hold,
    "order": make_order,
    "booking": make_booking,
}


@pytest.mark.parametrize("model", MAKERS)
def test_query_count_of_a_list_does_not_grow_with_its_rows(model: str, office: Client) -> None:
    address = reverse(f"admin:bookings_{model}_changelist")
    costs = []
    for rows in (2, 20):
        for _ in range(rows):
            MAKERS[model]()
        with CaptureQueriesContext(connection) as queries:
            assert office.get(address).status_code == HTTPStatus.OK
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 7


@pytest.mark.parametrize("model", MAKERS)
def test_nobody_adds_changes_or_deletes(model: str, office: Client) -> None:
    row = MAKERS[model]()
    assert office.get(reverse(f"admin:bookings_{model}_change", args=[row.pk])).status_code == 200
    addresses = [reverse(f"admin:bookings_{model}_add")]
    addresses += [reverse(f"admin:bookings_{model}_{verb}", args=[row.pk]) for verb in VERBS]
    for address in addresses:
        assert office.post(address, {"post": "yes"}).status_code == HTTPStatus.FORBIDDEN
    listed = reverse(f"admin:bookings_{model}_changelist")
    office.post(listed, {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"})
    assert type(row).objects.filter(pk=row.pk).exists()


VERBS = ("change", "delete")


def test_idempotency_records_have_no_page() -> None:
    assert not admin.site.is_registered(IdempotencyRecord)


def test_an_order_is_found_by_reference_and_shows_its_seats(office: Client) -> None:
    order = make_order()
    make_order()
    listed = office.get(reverse("admin:bookings_order_changelist"), {"q": order.reference})
    assert list(listed.context["cl"].result_list) == [order]
    page = office.get(reverse("admin:bookings_order_change", args=[order.pk])).text
    assert "A1" in page


def test_times_are_in_the_time_zone_of_the_theatre(office: Client) -> None:
    booking = make_booking()
    there = booking.booked_at.astimezone(booking.show.theatre.zone)
    page = office.get(reverse("admin:bookings_booking_change", args=[booking.pk])).text
    assert f"{there:%a %d %b %Y, %H:%M}" in page


def test_a_hold_names_its_seats_and_no_ids(office: Client) -> None:
    hold = make_hold()
    page = office.get(reverse("admin:bookings_hold_change", args=[hold.pk])).text
    assert "A1, A2" in page
    assert str(hold.seat_ids) not in page


@pytest.mark.parametrize("model", ["order", "booking"])
def test_lists_name_the_currency_of_what_was_paid(model: str, office: Client) -> None:
    MAKERS[model]()
    assert "12.00 USD" in office.get(reverse(f"admin:bookings_{model}_changelist")).text


def test_a_booking_of_the_original_system_has_no_price(office: Client) -> None:
    Booking.objects.filter(pk=make_booking().pk).update(order=None, price=None)
    page = office.get(reverse("admin:bookings_booking_changelist"))
    assert page.status_code == HTTPStatus.OK
    assert "None" not in page.text
    assert "USD" not in page.text


@pytest.mark.parametrize("state", ["confirmed", "cancelled"])
def test_bookings_are_filtered_by_state(state: str, office: Client) -> None:
    rows = {"confirmed": make_booking(), "cancelled": make_booking()}
    rows["cancelled"].cancelled_at = timezone.now()
    rows["cancelled"].save()
    listed = office.get(reverse("admin:bookings_booking_changelist"), {"state": state})
    assert list(listed.context["cl"].result_list) == [rows[state]]


def test_a_show_with_sales_cannot_be_deleted_and_the_page_says_why(office: Client) -> None:
    show = make_booking().show
    page = office.get(reverse("admin:catalog_show_delete", args=[show.pk])).text
    assert "still used by" in page
    assert "1 booking" in page
    assert "1 order" in page


def history(office: Client, row: Any) -> str:
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_history", args=[row.pk])
    return office.get(address).text


def test_what_customers_did_is_in_the_history_of_order_and_booking(office: Client) -> None:
    booking = make_booking()
    Booking.objects.filter(pk=booking.pk).update(
        cancelled_at=timezone.now(), cancelled_by=booking.user
    )
    for row in (booking.order, booking):
        page = history(office, row)
        assert page.index("Cancelled online") < page.index("Bought online")
        assert page.count("<li>seats: A1</li>") == 2


def test_what_staff_did_to_a_seat_is_in_its_history_and_not_in_its_neighbours(
    office: Client, staff: User
) -> None:
    first, second = make_seats(ShowFactory(), "SS")
    block_seats(show_id=first.show_id, seat_ids=[first.pk], reason="broken", actor=staff)
    assert "Seats blocked" in history(office, first)
    assert "broken" in history(office, first)
    assert "Seats blocked" not in history(office, second)


def test_seats_are_listed_by_section_row_and_number(office: Client) -> None:
    show = ShowFactory()
    seats = [
        show.seats.create(row=row, number=number, price=1)
        for row, number in [("Balcony A", 2), ("AA", 1), ("C", 10), ("C", 9), ("B", 1)]
    ]
    hold, order = make_hold(), make_order()
    Hold.objects.update(show=show, seat_ids=[seat.pk for seat in seats])
    order.bookings.all().delete()
    Order.objects.update(show=show)
    for seat in seats:
        Booking.objects.create(user=order.user, show=show, seat=seat, order=order, price=1)
    for row in (hold, order):
        address = reverse(f"admin:bookings_{row._meta.model_name}_change", args=[row.pk])
        assert "B1, C9, C10, AA1, Balcony A2" in office.get(address).text


def test_a_seat_of_another_section_has_its_own_history(office: Client, staff: User) -> None:
    show = ShowFactory()
    seats = [show.seats.create(row=row, number=1, price=1) for row in ("Balcony A", "B", "A")]
    ids = [seat.pk for seat in seats[:2]]
    block_seats(show_id=show.pk, seat_ids=ids, reason="broken", actor=staff)
    assert ["Seats blocked" in history(office, seat) for seat in seats] == [True, True, False]


def test_a_row_may_have_any_name(office: Client, staff: User) -> None:
    """Like rows of the original system."""
    show = ShowFactory()
    for row in ("(", "A.", "\\"):
        seat = show.seats.create(row=row, number=1, price=1)
        block_seats(show_id=show.pk, seat_ids=[seat.pk], reason=f"under {row}", actor=staff)
        assert "Seats blocked" in history(office, seat)
