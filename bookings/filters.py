"""How one's own bookings and orders are narrowed down."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from booking_site.api.filters import BooleanFilter, ChoiceFilter, StrictFilterSet
from bookings.models import Booking


class UpcomingFilter(BooleanFilter):
    """`true`: shows that have not started; `false`: those that have."""

    def filter(self, qs: QuerySet[Any], value: bool | None) -> QuerySet[Any]:
        if value is None:
            return qs
        upcoming = Q(show__start_time__gt=Now())
        return qs.filter(upcoming if value else ~upcoming)


class BookingStatusFilter(ChoiceFilter):
    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        return qs.filter(cancelled_at__isnull=value == "confirmed") if value else qs


class OrderStatusFilter(ChoiceFilter):
    """By the status that `Order.status` derives from the bookings."""

    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        if not value:
            return qs
        live, cancelled = (
            Exists(Booking.objects.filter(order=OuterRef("pk"), cancelled_at__isnull=live))
            for live in (True, False)
        )
        return qs.filter(
            {
                "confirmed": Q(live) & ~Q(cancelled),
                "partially_cancelled": Q(live) & Q(cancelled),
                "cancelled": ~Q(live),
            }[value]
        )


class BookingFilter(StrictFilterSet):
    status = BookingStatusFilter(
        choices=[("confirmed", "Confirmed"), ("cancelled", "Cancelled")],
    )
    upcoming = UpcomingFilter()


class OrderFilter(StrictFilterSet):
    status = OrderStatusFilter(
        choices=[
            ("confirmed", "Confirmed"),
            ("partially_cancelled", "Partially cancelled"),
            ("cancelled", "Cancelled"),
        ],
    )
    upcoming = UpcomingFilter()
