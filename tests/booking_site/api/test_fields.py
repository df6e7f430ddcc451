"""The format of times and money."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from rest_framework import serializers

from booking_site.api.fields import MoneyField, UtcDateTimeField


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (datetime(2026, 11, 22, 18, 30, tzinfo=UTC), "2026-11-22T18:30:00Z"),
        (datetime(2026, 11, 22, 18, 30, 0, 120_000, tzinfo=UTC), "2026-11-22T18:30:00.120000Z"),
        (
            datetime(2026, 11, 22, 19, 30, tzinfo=timezone(timedelta(hours=1))),
            "2026-11-22T18:30:00Z",
        ),
    ],
)
def test_times_are_in_utc_with_z(value: datetime, spelled: str) -> None:
    assert UtcDateTimeField().to_representation(value) == spelled


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("15", "USD", "15.00"),
        ("0.500", "USD", "0.50"),
        ("0", "USD", "0.00"),
        ("1500.000", "JPY", "1500"),
        ("4.255", "KWD", "4.255"),
        ("4.25", "KWD", "4.250"),
        ("12.000", "RSD", "12.00"),  # to which Babel gives no digits
        ("12.000", "BGN", "12.00"),  # withdrawn
        ("10.500", "JPY", "10.50"),  # not expressible, so not rounded
        ("4.255", "USD", "4.255"),
    ],
)
def test_money_has_the_digits_of_its_currency(amount: str, currency: str, text: str) -> None:
    row = {"price": Decimal(amount), "currency": currency}

    class Priced(serializers.Serializer[dict[str, object]]):
        price = MoneyField()

    assert Priced(row).data == {"price": text}
