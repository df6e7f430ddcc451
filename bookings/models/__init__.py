"""Holds, orders, bookings and idempotency records."""

from bookings.models.holds import Hold, HoldEnd
from bookings.models.idempotency import IdempotencyRecord
from bookings.models.orders import (
    CUSTOMER_WORDS,
    OF_BOX_OFFICE,
    Booking,
    BookingQuerySet,
    BookingStatus,
    Channel,
    Order,
    OrderQuerySet,
    OrderStatus,
)

__all__ = [
    "CUSTOMER_WORDS",
    "OF_BOX_OFFICE",
    "Booking",
    "BookingQuerySet",
    "BookingStatus",
    "Channel",
    "Hold",
    "HoldEnd",
    "IdempotencyRecord",
    "Order",
    "OrderQuerySet",
    "OrderStatus",
]
