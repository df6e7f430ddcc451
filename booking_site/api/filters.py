"""Query parameters that are read strictly: what cannot be read is a 400 that names it."""

import re
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django_filters.rest_framework import FilterSet
from drf_spectacular.drainage import set_override

from booking_site.api.converters import MAX_BIGINT

# Years whose first or last day has a neighbour in every time zone.
YEARS = r"^(?!0001|9999)[0-9]{4}-"
# As RFC 3339 has them; Python reads other spellings of ISO 8601 too, such as 20261122.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET = r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
_INSTANT = re.compile(_DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?" + _OFFSET)


class StrictFilterSet(FilterSet):
    """Base of all filter sets. Declare each filter with a class of this module.

    Unknown parameters are ignored, as clients and proxies add their own.
    """


class _IdFormField(forms.IntegerField):
    default_validators = [RegexValidator(r"\A[0-9]{1,19}\Z", "Enter a whole number.")]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_BIGINT, **kwargs)

    def to_python(self, value: Any) -> int | None:
        if value not in self.empty_values:
            self.default_validators[0](value)
        return super().to_python(value)


class _BooleanFormField(forms.Field):
    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        if value not in ("true", "false"):
            raise ValidationError("Enter true or false.", code="invalid")
        return bool(value == "true")


class _DateFormField(forms.Field):
    def to_python(self, value: Any) -> date | None:
        if value in self.empty_values:
            return None
        try:
            day = date.fromisoformat(value) if _DAY.fullmatch(value) else None
        except ValueError:
            day = None
        # The first and last days of the calendar have no neighbour in other time zones.
        if day is None or not 2 <= day.year <= 9998:
            raise ValidationError("Enter a date such as 2026-11-22.", code="invalid")
        return day


class _InstantFormField(forms.Field):
    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            instant = datetime.fromisoformat(value.upper()) if _INSTANT.fullmatch(value) else None
        except ValueError:
            instant = None
        if instant is None or not 2 <= instant.year <= 9998:
            raise ValidationError(
                "Enter a time with its offset, such as 2026-11-22T18:30:00Z.", code="invalid"
            )
        return instant.astimezone(UTC)


class StrictFilter(django_filters.Filter):
    """Reads what `described`, an OpenAPI schema, allows. The `label` becomes its description."""

    described: ClassVar[dict[str, Any]]

    def __init__(self, *args: Any, label: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, label=label, **kwargs)
        # Beside a schema of its own, drf-spectacular ignores a filter's label.
        description = {"description": label} if label else {}
        set_override(self, "field", {**self.described, **description})


class IdFilter(StrictFilter):
    """`?theatre=5`: the id of a row."""

    field_class = _IdFormField
    described = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_BIGINT}


class BooleanFilter(StrictFilter):
    """`?now_showing=true`: `true` or `false`, nothing else."""

    field_class = _BooleanFormField
    described = {"type": "boolean"}


class DateFilter(StrictFilter):
    """`?date=2026-11-22`: a calendar day."""

    field_class = _DateFormField
    described = {"type": "string", "format": "date", "pattern": YEARS}


class InstantFilter(StrictFilter):
    """`?from=2026-11-22T18:30:00Z`: RFC 3339 with an offset; arrives in UTC."""

    field_class = _InstantFormField
    described = {"type": "string", "format": "date-time", "pattern": YEARS}


class TextFilter(StrictFilter):
    """`?search=blade`: text of at most 200 characters without NUL."""

    field_class = forms.CharField
    described = {"type": "string", "maxLength": 200, "pattern": r"^[^\x00]*$"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, max_length=200, **kwargs)


class ChoiceFilter(django_filters.ChoiceFilter):
    """`?status=confirmed`: one of `choices`."""
