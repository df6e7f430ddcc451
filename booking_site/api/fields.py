"""Serializer fields for times and money, and a function that formats times the same way."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import get_attribute

from booking_site.api.openapi.values import AMOUNT
from booking_site.money import money_text


class UtcDateTimeField(serializers.DateTimeField):
    """RFC 3339 in UTC with `Z`: `2026-11-22T18:30:00Z`, with microseconds if there are any."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso-8601", default_timezone=UTC, **kwargs)


@extend_schema_field(AMOUNT)
class MoneyField(serializers.DecimalField):
    """A decimal string with the digits of its currency: `"15.00"`. Another field has the currency.

    `currency` is the path from the object with the amount to its currency.
    """

    def __init__(self, *, currency: str = "currency", **kwargs: Any) -> None:
        self.currency = currency.split(".")
        super().__init__(max_digits=11, decimal_places=3, coerce_to_string=True, **kwargs)

    def get_attribute(self, instance: Any) -> str | None:  # type: ignore[override]
        amount = super().get_attribute(instance)
        if amount is None:
            return None
        return money_text(Decimal(amount), get_attribute(instance, self.currency))

    def to_representation(self, text: str) -> str:  # type: ignore[override]
        return text


def utc_text(moment: datetime) -> str:
    """Format a time as `UtcDateTimeField` does."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
