"""Changing the prices of unsold seats: previewed, audited, and never for sold or held seats."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from catalog.models import PriceCardLine, Seat, SeatStatus, Show, ShowStatus, Theatre
from catalog.repricing import plan_repricing, reprice_unsold
from catalog.seat_maps import PriceNotExpressible
from tests.factories import PriceCardFactory, ShowFactory, make_seats
from tests.waiting import somebody_waits_for_me

pytestmark = pytest.mark.django_db


@pytest.fixture
def show() -> Show:
    """A1 is sold, A2 held, A3 blocked, A4 held until an hour ago, A5 free; A6 is premium."""
    show = ShowFactory(price_card=PriceCardFactory())
    seats = make_seats(show, "SSSSSP")
    now = timezone.now()
    for seat, change in zip(
        seats,
        (
            {"status": SeatStatus.BOOKED},
            {"status": SeatStatus.HELD, "hold_id": uuid4(), "held_until": now + timedelta(hours=1)},
            {"status": SeatStatus.BLOCKED, "block_reason": "Broken"},
            {"status": SeatStatus.HELD, "hold_id": uuid4(), "held_until": now - timedelta(hours=1)},
        ),
        strict=False,
    ):
        Seat.objects.filter(pk=seat.pk).update(**change)
    return show


def prices_of(show: Show) -> list[str]:
    return [str(price) for price in show.seats.order_by("pk").values_list("price", flat=True)]


@pytest.mark.parametrize(
    ("currency", "price"), [("USD", "4.255"), ("JPY", "1500.50"), ("BGN", "4.255")]
)
def test_prices_have_no_more_digits_than_the_currency(
    show: Show, office: Client, currency: str, price: str
) -> None:
    Theatre.objects.update(currency=currency)
    with pytest.raises(PriceNotExpressible) as refusal:
        reprice(show, standard=price)
    assert refusal.value.facts == {"categories": ["standard"]}
    page = office.post(at(show), {"price_standard": price, "reason": "New", "confirm": "yes"})
    assert list(page.context["form"].errors) == ["price_standard"]
    assert set(prices_of(show)) == {"12.00"}


def test_prices_in_dinars_have_three_digits(show: Show) -> None:
    Theatre.objects.update(currency="KWD")
    reprice(show, standard="4.255", premium="6.5")
    assert prices_of(show)[2:] == ["4.255", "4.255", "4.255", "6.50"]
    entry = AuditEntry.objects.get()
    assert entry.facts["changes"] == {
        "standard price": ["12.000", "4.255"],
        "premium price": ["12.000", "6.500"],
    }


def at(show: Show) -> str:
    return reverse("admin:catalog_show_reprice", args=[show.pk])


def reprice(show: Show, **prices: str) -> int:
    return reprice_unsold(
        show_id=show.pk,
        prices={category: Decimal(price) for category, price in prices.items()},
        reason="Premiere week is over",
    )


@pytest.mark.django_db(transaction=True)
def test_sold_and_held_seats_do_not_change_price(show: Show) -> None:
    assert reprice(show, standard="10.00") == 3
    assert prices_of(show) == ["12.00", "12.00", "10.00", "10.00", "10.00", "12.00"]


@pytest.mark.django_db(transaction=True)
def test_repricing_waits_for_a_running_sale_and_leaves_its_price() -> None:
    show = ShowFactory()
    sold, _ = make_seats(show, "SS")

    def reprice_elsewhere() -> int:
        try:
            return reprice(show, standard="10.00")
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            Seat.objects.filter(pk=sold.pk).update(status=SeatStatus.BOOKED)
            staff = pool.submit(reprice_elsewhere)
            while not somebody_waits_for_me():
                assert not staff.done()
        assert staff.result() == 1
    assert prices_of(show) == ["12.00", "10.00"]


@pytest.mark.django_db(transaction=True)
def test_repricing_is_one_entry_in_the_history_of_the_show(show: Show, office: Client) -> None:
    reprice(show, standard="10.00", premium="12.00")
    assert reprice(show, standard="10.00", premium="12.00") == 0
    [entry] = AuditEntry.objects.filter(action="unsold_seats_repriced")
    assert entry.reason == "Premiere week is over"
    assert entry.facts == {"seats": 3, "changes": {"standard price": ["12.00", "10.00"]}}
    page = office.get(reverse("admin:catalog_show_history", args=[show.pk])).text
    assert "standard price: 12.00 → 10.00" in page
    assert "Premiere week is over" in page


@pytest.mark.django_db(transaction=True)
def test_seats_of_a_category_with_different_prices_get_one_price(show: Show) -> None:
    show.seats.filter(number=5).update(price="14.00")
    assert reprice(show, standard="14.00") == 2
    assert prices_of(show)[2:5] == ["14.00"] * 3
    entry = AuditEntry.objects.get(action="unsold_seats_repriced")
    assert entry.facts["changes"] == {"standard price": ["12.00", "14.00"]}


def test_changing_the_card_alone_changes_no_seat(show: Show) -> None:
    PriceCardLine.objects.update(price="1.00")
    assert set(prices_of(show)) == {"12.00"}


@pytest.mark.django_db(transaction=True)
def test_confirming_saves_exactly_the_previewed_prices(show: Show, office: Client) -> None:
    form: dict[str, Any] = {
        "price_card": PriceCardFactory(name="Matinee").pk,
        "price_standard": "7.50",
        "reason": "Slow week",
    }
    page = office.post(at(show), form)
    assert "4 seats get a new price" in page.text
    assert "12.00 → <strong>7.50</strong> USD</td><td>3</td><td>2</td>" in page.text
    assert set(prices_of(show)) == {"12.00"}
    # The data that the preview sends; the card was edited after the preview.
    confirmed = dict(page.context["fixed_prices"]) | {"reason": "Slow week", "confirm": "yes"}
    PriceCardLine.objects.update(price="99.00")
    done = office.post(at(show), form | confirmed, follow=True)
    assert "Prices of 4 seats changed." in done.text
    assert prices_of(show) == ["12.00", "12.00", "7.50", "7.50", "7.50", "15.00"]
    show.refresh_from_db()
    assert str(show.price_card) == "Matinee"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"price_standard": "7.50"}, "reason"),
        ({"reason": "Slow"}, "price_card"),
        ({"reason": "Slow", "price_standard": "-1"}, "price_standard"),
    ],
)
def test_an_incomplete_form_shows_errors_at_its_fields(
    form: dict[str, str], field: str, show: Show, office: Client
) -> None:
    answer = office.post(at(show), form | {"confirm": "yes"})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(answer.context["form"].errors) == [field]
    assert set(prices_of(show)) == {"12.00"}


@pytest.mark.django_db(transaction=True)
def test_prices_of_a_cancelled_show_cannot_change(show: Show, office: Client) -> None:
    Show.objects.update(status=ShowStatus.CANCELLED)
    form = {"price_standard": "7.50", "reason": "Slow"}
    for answer in (office.post(at(show), form), office.post(at(show), form | {"confirm": "yes"})):
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "so its prices" in answer.text
    assert set(prices_of(show)) == {"12.00"}


def test_query_count_of_a_preview_does_not_grow_with_the_seats(show: Show) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            plan_repricing(show_id=show.pk, prices={"standard": Decimal(5)})
        return len(captured)

    small = queries()
    Seat.objects.bulk_create(
        Seat(show=show, row="B", number=n, price=Decimal(n)) for n in range(1, 200)
    )
    assert queries() == small <= 4


def test_the_button_is_shown_only_to_staff_who_may_use_it(show: Show, office: Client) -> None:
    page = office.get(reverse("admin:catalog_show_change", args=[show.pk])).text
    assert at(show) in page
