"""Exports the data of this app about a user, for that user."""

from typing import Any

from accounts.mails import mails_as_json
from bookings.mails import mails_about
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from bookings.serializers import BookingDetailSerializer, OrderDetailSerializer


def export_person(*, user_id: int) -> dict[str, Any]:
    """Return sections by name, JSON-ready. Stored responses are left out: they repeat bookings."""
    orders = Order.objects.filter(user_id=user_id).with_bookings_json()
    bookings = Booking.objects.filter(user_id=user_id).with_details()
    return {
        "holds": list(
            Hold.objects.filter(user_id=user_id).values(
                "id", "show_id", "seat_ids", "created_at", "expires_at", "ended_at", "end_reason"
            )
        ),
        "orders": OrderDetailSerializer(orders, many=True).data,
        "bookings": BookingDetailSerializer(bookings, many=True).data,
        "idempotency_keys": list(
            IdempotencyRecord.objects.filter(user_id=user_id)
            .order_by("created_at")
            .values("operation", "key", "created_at")
        ),
        "mails_about_purchases": [
            {
                "mail": "order_made",
                "asked_for_at": order.created_at,
                "sent_at": order.confirmation_sent_at,
            }
            for order in orders
            if order.confirmation_due_at or order.confirmation_sent_at
        ]
        + mails_as_json(mails_about(orders, bookings)),
    }
