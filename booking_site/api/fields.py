"""Serializer fields for times and money, and functions that format them the same way."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers


class UtcDateTimeField(serializers.DateTimeField):
    """RFC 3339 in UTC with `Z`: `2026-11-22T18:30:00Z`, with microseconds if there are any."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso-8601", default_timezone=UTC, **kwargs)


class MoneyField(serializers.DecimalField):
    """A decimal string with two places, `"15.00"`; the currency is a field beside it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=10, decimal_places=2, coerce_to_string=True, **kwargs)


def utc_text(moment: datetime) -> str:
    """Format a time as `UtcDateTimeField` does."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def money_text(amount: Decimal) -> str:
    """Format an amount as `MoneyField` does."""
    return f"{amount:.2f}"
