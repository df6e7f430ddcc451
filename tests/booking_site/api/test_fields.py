"""The format of times and money."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

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


@pytest.mark.parametrize(("value", "spelled"), [("15", "15.00"), ("0.5", "0.50"), ("0", "0.00")])
def test_money_is_a_string_with_two_places(value: str, spelled: str) -> None:
    assert MoneyField().to_representation(Decimal(value)) == spelled
