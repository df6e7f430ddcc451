"""Exports the data of this app about a user, for that user."""

from typing import Any

from accounts.mails import mails_as_json
from accounts.models import User
from booking_site.email_address import readable_email
from bookings.mails import mails_about
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from bookings.serializers import BookingDetailSerializer, OrderDetailSerializer


def export_person(*, user_id: int) -> dict[str, Any]:
    """Return sections by name, JSON-ready. Stored responses are left out: they repeat bookings."""
    user = User.objects.get(pk=user_id)
    orders = Order.objects.filter(user=user).with_bookings_json()
    at_counter = Order.objects.bought_at_counter_by(user).with_bookings_json()
    purchases = [*orders, *at_counter]
    bookings = Booking.objects.filter(user=user).with_details()
    of_purchases = [*bookings, *(each for order in at_counter for each in order.bookings_by_place)]
    return {
        "holds": list(
            Hold.objects.filter(user_id=user_id).values(
                "id", "show_id", "seat_ids", "created_at", "expires_at", "ended_at", "end_reason"
            )
        ),
        "orders": OrderDetailSerializer(orders, many=True).data,
        "box_office_orders": [
            {
                **OrderDetailSerializer(order).data,
                "customer_name": order.customer_name,
                "customer_email": readable_email(order.customer_email),
            }
            for order in at_counter
        ],
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
            for order in purchases
            if order.confirmation_due_at or order.confirmation_sent_at
        ]
        + mails_as_json(mails_about(of_purchases)),
    }
