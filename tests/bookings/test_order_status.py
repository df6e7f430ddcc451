"""The stored status of an order agrees with its bookings, no matter who cancels them."""

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from bookings.models import Booking, Order
from catalog.models import Seat
from tests.bookings.calls import bought
from tests.reports.sold import played, sell

pytestmark = pytest.mark.django_db

Cancel = Callable[[Order, int], None]


@pytest.fixture
def order(customer: APIClient, seats: list[Seat]) -> Order:
    """An order of three seats."""
    bought(customer, *seats[:3])
    return Order.objects.get()


@pytest.fixture
def by_customer(customer: APIClient) -> Cancel:
    def cancel(order: Order, count: int) -> None:
        if count == order.bookings.count():
            customer.post(f"/api/orders/{order.reference}/cancel", {}, format="json")
            return
        for booking in order.bookings.order_by("pk")[:count]:
            customer.post(f"/api/bookings/{booking.pk}/cancel", {}, format="json")

    return cancel


@pytest.fixture
def by_staff(office: Client) -> Cancel:
    def cancel(order: Order, count: int) -> None:
        ids = [booking.pk for booking in order.bookings.order_by("pk")[:count]]
        page = reverse("box-office-order", args=[order.reference])
        office.post(page, {"booking": ids, "reason": "Ill"})

    return cancel


@pytest.mark.parametrize("who", ["by_customer", "by_staff"])
@pytest.mark.parametrize(
    ("count", "status"), [(1, "partially_cancelled"), (2, "partially_cancelled"), (3, "cancelled")]
)
def test_the_status_follows_the_cancellations(
    request: pytest.FixtureRequest, order: Order, who: str, count: int, status: str
) -> None:
    cancel: Cancel = request.getfixturevalue(who)
    assert order.status == "confirmed"
    cancel(order, count)
    order.refresh_from_db()
    assert Booking.objects.exclude(cancelled_at=None).count() == count
    assert order.status == status


def test_cancelling_a_show_cancels_the_rest_of_its_orders(
    order: Order,
    by_customer: Cancel,
    customer: APIClient,
    seats: list[Seat],
    office: Client,
    posted,
) -> None:
    by_customer(order, 1)
    bought(customer, *seats[3:5])
    page = reverse("admin:catalog_show_cancel", args=[order.show_id])
    office.post(page, {"reason": "Broken", "orders": "2"})
    posted()
    assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}


@pytest.mark.parametrize("status", ["confirmed", "partially_cancelled", "cancelled"])
def test_the_api_and_the_back_office_filter_by_the_stored_status(
    order: Order, customer: APIClient, office: Client, status: str
) -> None:
    Order.objects.update(status=status)
    for wanted in ("confirmed", "partially_cancelled", "cancelled"):
        found = customer.get("/api/orders", {"status": wanted}).json()
        assert [row["status"] for row in found] == [status] * (wanted == status)
        page = office.get(reverse("admin:bookings_order_changelist"), {"status__exact": wanted})
        assert list(page.context["cl"].result_list) == [order] * (wanted == status)


@pytest.mark.django_db(transaction=True)
def test_the_migration_sets_the_status_of_existing_orders(user: User) -> None:
    show = played(timezone.now(), "SSSSSSSSSS")
    orders = {}
    for status, cancelled in (("confirmed", 0), ("partially_cancelled", 1), ("cancelled", 2)):
        rows = sell(show, 2)
        orders[rows[0].order_id] = status
        Booking.objects.filter(pk__in=[row.pk for row in rows[:cancelled]]).update(
            cancelled_at=timezone.now()
        )
    try:
        call_command("migrate", "bookings", "0007", verbosity=0)
        with connection.cursor() as cursor:  # bookings of the original tables have no order
            cursor.execute(
                "INSERT INTO bookings (user_id, show_id, seat_id, cancelled_at)"
                " SELECT %s, show_id, id, now() FROM seats WHERE status = 'available' LIMIT 1",
                [user.pk],
            )
    finally:
        call_command("migrate", verbosity=0)
    assert dict(Order.objects.values_list("pk", "status")) == orders
    assert not Order.objects.unsent().exists()
