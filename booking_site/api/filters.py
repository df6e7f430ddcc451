"""Filters that parse query parameters strictly: an invalid one is a 400 that names it."""

import re
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from drf_spectacular.drainage import set_override

from booking_site.api.converters import MAX_ID
from booking_site.api.openapi.values import ID

# Without the first and the last year: some of their times are out of range in other time zones.
YEARS = r"^(?!0001|9999)[0-9]{4}-.*$"
# The formats of RFC 3339. Python accepts more of ISO 8601, such as 20261122.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET = r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
_INSTANT = re.compile(_DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?" + _OFFSET)


class _IdFormField(forms.IntegerField):
    default_validators = [RegexValidator(r"\A[0-9]{1,16}\Z", _("Enter a whole number."))]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)

    def to_python(self, value: Any) -> int | None:
        if value not in self.empty_values:
            self.default_validators[0](value)
        return super().to_python(value)


class _BooleanFormField(forms.Field):
    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        if value not in ("true", "false"):
            raise ValidationError(_("Enter true or false."), code="invalid")
        return bool(value == "true")


class _DateFormField(forms.Field):
    pattern = _DAY
    expected = _("Enter a date such as 2026-11-22.")

    def parse(self, text: str) -> date:
        return date.fromisoformat(text)

    def to_python(self, value: Any) -> date | None:
        if value in self.empty_values:
            return None
        try:
            parsed = self.parse(value) if self.pattern.fullmatch(value) else None
        except ValueError:
            parsed = None
        if parsed is None or not 2 <= parsed.year <= 9998:  # see YEARS
            raise ValidationError(self.expected, code="invalid")
        return parsed


class _InstantFormField(_DateFormField):
    pattern = _INSTANT
    expected = _("Enter a time with its offset, such as 2026-11-22T18:30:00Z.")

    def parse(self, text: str) -> datetime:
        return datetime.fromisoformat(text.upper())

    def to_python(self, value: Any) -> datetime | None:
        instant = super().to_python(value)
        return instant.astimezone(UTC) if isinstance(instant, datetime) else None


class StrictFilter(django_filters.Filter):
    """Accepts what the OpenAPI schema `described` allows; `label` becomes its description."""

    described: ClassVar[dict[str, Any]]

    def __init__(self, *args: Any, label: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, label=label, **kwargs)
        # drf-spectacular ignores the label of a filter that has its own schema.
        description = {"description": label} if label else {}
        set_override(self, "field", {**self.described, **description})


class IdFilter(StrictFilter):
    """`?theatre=5`: the id of a row."""

    field_class = _IdFormField
    described = ID


class BooleanFilter(StrictFilter):
    """`?now_showing=true`: `true` or `false`, nothing else."""

    field_class = _BooleanFormField
    described = {"type": "boolean"}


class DateFilter(StrictFilter):
    """`?date=2026-11-22`: a calendar day."""

    field_class = _DateFormField
    described = {"type": "string", "format": "date", "pattern": YEARS}


class InstantFilter(StrictFilter):
    """`?from=2026-11-22T18:30:00Z`: RFC 3339 with an offset, converted to UTC."""

    field_class = _InstantFormField
    described = {"type": "string", "format": "date-time", "pattern": YEARS}


class TextFilter(StrictFilter):
    """`?search=blade`: text of at most 200 characters without NUL."""

    field_class = forms.CharField
    described = {"type": "string", "maxLength": 200, "pattern": r"^[^\x00]*$"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, max_length=200, **kwargs)
