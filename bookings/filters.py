"""Filters for lists of bookings and orders."""

from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django_filters.rest_framework import ChoiceFilter, FilterSet

from booking_site.api.filters import BooleanFilter
from bookings.models import BookingStatus, OrderStatus


class UpcomingFilter(BooleanFilter):
    """`true`: only shows that have not started; `false`: only shows that have."""

    def filter(self, qs: QuerySet[Any], value: bool | None) -> QuerySet[Any]:
        if value is None:
            return qs
        upcoming = Q(show__start_time__gt=Now())
        return qs.filter(upcoming if value else ~upcoming)


class BookingStatusFilter(ChoiceFilter):
    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        return qs.filter(cancelled_at__isnull=value == BookingStatus.CONFIRMED) if value else qs


class BookingFilter(FilterSet):
    status = BookingStatusFilter(choices=BookingStatus.choices)
    upcoming = UpcomingFilter()


class OrderFilter(FilterSet):
    status = ChoiceFilter(choices=OrderStatus.choices)
    upcoming = UpcomingFilter()
