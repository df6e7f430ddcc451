"""Amounts are sold, stored and sent with the digits of their currency."""

from decimal import Decimal

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection
from rest_framework.test import APIClient

from bookings.integrity.invariants import examine
from bookings.mails import send_confirmation
from bookings.models import Order
from catalog.models import PriceCardLine, Seat, Theatre
from tests.bookings.calls import bought, held
from tests.factories import PriceCardFactory, ShowFactory, TheatreFactory, make_seats

pytestmark = pytest.mark.django_db

AMOUNTS = [
    ("USD", "12.5", "12.50", "25.00", "US$25.00"),
    ("JPY", "1500", "1500", "3000", "JP¥3,000"),
    ("KWD", "4.255", "4.255", "8.510", "KWD8.510"),
    ("JPY", "10.50", "10.50", "21", "JP¥21"),  # stored before, so not rounded
    ("BGN", "12", "12.00", "24.00", "BGN24.00"),
]


@pytest.mark.parametrize(("currency", "stored", "price", "total", "in_mail"), AMOUNTS)
def test_every_response_has_the_digits_of_the_currency(
    customer: APIClient, currency: str, stored: str, price: str, total: str, in_mail: str
) -> None:
    show = ShowFactory(theatre__currency=currency)
    seats = make_seats(show, "SS", price=stored)
    (listed,) = customer.get("/api/shows").json()
    assert (listed["price_from"], listed["currency"]) == (price, currency)
    assert [seat["price"] for seat in customer.get(f"/api/shows/{show.pk}/seats").json()] == [
        price,
        price,
    ]
    hold = held(customer, *seats)
    assert ([seat["price"] for seat in hold["seats"]], hold["total"]) == ([price, price], total)
    sold = bought(customer, *seats)
    assert (sold["booking"]["price"], sold["order"]["total"]) == (price, total)
    assert Order.objects.get().total == Decimal(total)
    (order,) = customer.get("/api/orders").json()
    assert (order["total"], order["bookings"][0]["price"]) == (total, price)
    assert customer.get("/api/bookings").json()[0]["price"] == price
    send_confirmation(Order.objects.get())
    assert f"Total: {in_mail}\n" in mail.outbox[0].body


def test_the_seat_map_is_drawn_again_in_another_currency(customer: APIClient) -> None:
    show = ShowFactory(theatre__currency="USD")
    make_seats(show, "S", price="12")
    address = f"/api/shows/{show.pk}/seats"
    assert customer.get(address).json()[0]["price"] == "12.00"
    Theatre.objects.update(currency="JPY")
    assert customer.get(address).json()[0]["price"] == "12"


def test_amounts_have_three_decimal_places_in_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT table_name, numeric_scale FROM information_schema.columns
             WHERE table_schema = current_schema()
               AND column_name IN ('price', 'total', 'gross') AND data_type = 'numeric'
             ORDER BY table_name
        """)
        scales = dict(cursor.fetchall())
    assert scales == dict.fromkeys(
        ("bookings", "counted_sales", "orders", "price_card_lines", "seats"), 3
    )


def test_doctor_notes_amounts_and_currencies_that_do_not_fit() -> None:
    names = {"currencies_current", "amounts_expressible"}

    def notes() -> dict[str, list[str]]:
        return {
            each.invariant.name: each.examples for each in examine() if each.invariant.name in names
        }

    show = ShowFactory(theatre__currency="JPY")
    seat, _ = make_seats(show, "SS", price="1500")
    assert notes() == {name: [] for name in names}
    Seat.objects.filter(pk=seat.pk).update(price="10.50")
    withdrawn = TheatreFactory(currency="BGN")
    assert notes() == {
        "currencies_current": [f"theatre {withdrawn.pk}"],
        "amounts_expressible": [f"seat {seat.pk}"],
    }
    with connection.cursor() as cursor:
        cursor.execute("UPDATE seats SET price = 'NaN' WHERE id = %s", [seat.pk])
    assert notes()["amounts_expressible"] == [f"seat {seat.pk}"]


@pytest.mark.parametrize(("currency", "price"), [("USD", "4.255"), ("JPY", "12.50")])
def test_a_price_card_refuses_prices_that_no_theatre_can_charge(currency: str, price: str) -> None:
    TheatreFactory(currency=currency)
    line = PriceCardLine(price_card=PriceCardFactory(), price=Decimal(price))
    with pytest.raises(ValidationError) as refusal:
        line.clean()
    assert list(refusal.value.message_dict) == ["price"]


def test_a_price_card_accepts_a_stored_price_until_it_changes() -> None:
    TheatreFactory(currency="JPY")
    lines = PriceCardFactory().lines.filter(category="standard")
    lines.update(price="10.50")
    line = lines.get()
    line.clean()
    line.price = Decimal("11.50")
    with pytest.raises(ValidationError):
        line.clean()
