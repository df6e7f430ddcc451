"""Inserts shows with sales as plain rows, because figures do not depend on how seats were sold."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bookings.models import Booking, Channel, Order
from bookings.services.sales import new_reference
from catalog.models import Seat, SeatStatus, Show
from tests.factories import ShowFactory, UserFactory, make_seats


def played(start: datetime, *rows: str, price: str = "10.00", **facts: Any) -> Show:
    """Make a show of 100 minutes with seats as `make_seats` draws them."""
    show = ShowFactory(start_time=start, end_time=start + timedelta(minutes=100), **facts)
    make_seats(show, *rows, price=price)
    return show


def sell(
    show: Show, count: int, *, channel: str = Channel.WEB, currency: str | None = None
) -> list[Booking]:
    """Sell that many free seats of the show in one order."""
    seats = list(Seat.objects.filter(show=show, status=SeatStatus.AVAILABLE).order_by("pk"))[:count]
    assert len(seats) == count
    order = Order.objects.create(
        reference=new_reference(),
        user=UserFactory() if channel == Channel.WEB else None,
        show=show,
        channel=channel,
        total=sum((seat.price for seat in seats), Decimal(0)),
        currency=currency or show.theatre.currency,
    )
    Seat.objects.filter(pk__in=[seat.pk for seat in seats]).update(status=SeatStatus.BOOKED)
    return Booking.objects.bulk_create(
        Booking(user=order.user, show=show, seat=seat, order=order, price=seat.price)
        for seat in seats
    )
