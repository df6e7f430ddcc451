"""After a failover, PostgreSQL's clock may be minutes off that of the former primary."""

import pytest
from django.db import connection
from rest_framework.test import APIClient

from bookings.integrity.invariants import examine
from tests.bookings.calls import book_seats, bought, held, hold_seats, states
from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db

TIMES_OF_SALES = """
    SELECT table_name, string_agg(format('%1$I = %1$I + %%(change)s', column_name), ', ')
      FROM information_schema.columns
     WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
       AND table_name IN ('holds', 'seats', 'orders', 'bookings', 'idempotency_records')
     GROUP BY table_name
"""


def set_clock_back(minutes: int) -> None:
    """Move the times of sales forward instead, which is the same to them."""
    with connection.cursor() as cursor:
        cursor.execute(TIMES_OF_SALES)
        for table, changes in cursor.fetchall():
            cursor.execute(f"UPDATE {table} SET {changes}", {"change": f"{minutes} min"})


@pytest.mark.parametrize("minutes", [5, -5])
def test_sales_continue_when_the_clock_of_a_new_primary_differs(
    customer: APIClient, minutes: int
) -> None:
    seats = make_seats(ShowFactory(), "SSSSSS")
    first = book_seats(customer, *seats[:2], key="first")
    assert first.status_code == 201
    order = first.json()["order"]["reference"]
    hold = held(customer, *seats[2:4])

    set_clock_back(minutes)

    assert book_seats(customer, *seats[:2], key="first").content == first.content
    extended = customer.post(f"/api/holds/{hold['id']}/extend", {}, format="json")
    assert extended.status_code == 200
    assert hold_seats(customer, *seats[3:5]).status_code in (200, 201)
    bought(customer, *seats[3:5])
    assert customer.post(f"/api/orders/{order}/cancel", {}, format="json").status_code == 200
    assert states(*seats) == ["available"] * 3 + ["booked"] * 2 + ["available"]
    assert [finding.invariant.name for finding in examine() if finding.is_violation] == []
