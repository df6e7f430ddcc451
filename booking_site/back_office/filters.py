"""Filters of the lists in the back office."""

from datetime import UTC, datetime, time
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str
from unfold.views import ChangeList


class OfferedFilters(ChangeList):  # type: ignore[misc] # unfold is untyped
    """A list that accepts only the filters it offers, and the page's `linked_filters`.

    Django accepts a condition on any column, which would reveal columns that no page shows, letter
    by letter.
    """

    def get_filters(self, request: HttpRequest) -> tuple[Any, ...]:
        if any("\0" in value for values in self.filter_params.values() for value in values):
            raise IncorrectLookupParameters("PostgreSQL's text has no NUL.")
        try:
            found: tuple[Any, ...] = super().get_filters(request)
        except OverflowError as error:  # a year out of range
            raise IncorrectLookupParameters from error
        # The parameters that no filter has taken.
        others = set(found[2]).difference(self.model_admin.linked_filters)
        if by_date := self.date_hierarchy:
            others -= {f"{by_date}__gte", f"{by_date}__lt"}
        if others:
            raise DisallowedModelAdminLookup(f"This list has no filter {', '.join(others)}.")
        return found


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
