"""Filters of the lists in the back office."""

from datetime import UTC, datetime, time
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str


class ConditionFilter(admin.SimpleListFilter):
    """Offers named conditions; `conditions` has the label and the condition of each value."""

    conditions: ClassVar[dict[str, tuple[str, Q]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        _, condition = self.conditions.get(self.value() or "", ("", Q()))
        return queryset.filter(condition)


class DaysFilter(RangeDateFilter):  # type: ignore[misc] # unfold is untyped
    """Rows from the first to the last day, both included, in UTC."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "day (UTC)"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for end, lookup, clock in (("from", "gte", time.min), ("to", "lte", time.max)):
            name = f"{self.parameter_name}_{end}"
            if day := parse_date_str(self.used_parameters.get(name, "")):
                moment = datetime.combine(day, clock, UTC)
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": moment})
        return queryset
