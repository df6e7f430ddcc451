"""The read side of a room: every seat of a show, as one caller may see it."""

from typing import Any

from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Length

from bookings.models import Booking, Hold
from catalog.errors import ShowNotFound
from catalog.models import STATE_NOW, Seat, Show, ShowStatus


def seat_map(*, show_id: int, user_id: int | None) -> list[dict[str, Any]]:
    """Return the seats of the show, row A first, then by number; one query, two if there is none.

    `state` tells all; `status` only whether the caller may book the seat.
    `user_id` is the caller's own on seats that the caller has booked and null
    on all others: nobody learns who sits where. Raise `ShowNotFound`.
    """
    seats = list(_seats(show_id, user_id))
    if not seats and not Show.objects.published().filter(pk=show_id).exists():
        raise ShowNotFound
    return [
        {
            "id": pk,
            "row": row,
            "number": number,
            "price": str(price),
            "status": "available" if state == "available" or held_by_me else "booked",
            "user_id": user_id if booked_by_me else None,
            "state": state,
            "mine": booked_by_me or (held_by_me and state == "held"),
            "category": category,
            "x": x,
            "y": y,
        }
        for pk, row, number, price, category, x, y, state, booked_by_me, held_by_me in seats
    ]


def _seats(show_id: int, user_id: int | None) -> Any:
    mine: dict[str, Any] = {"booked_by_me": Value(False), "held_by_me": Value(False)}
    if user_id is not None:
        mine = {
            "booked_by_me": Exists(
                Booking.objects.filter(
                    seat=OuterRef("pk"), user_id=user_id, cancelled_at__isnull=True
                )
            ),
            "held_by_me": Exists(Hold.objects.filter(pk=OuterRef("hold_id"), user_id=user_id)),
        }
    return (
        Seat.objects.filter(show_id=show_id)
        .exclude(show__status=ShowStatus.PLANNED)
        .annotate(state=STATE_NOW, **mine)
        .order_by(Length("row"), "row", "number")
        .values_list(
            "pk",
            "row",
            "number",
            "price",
            "category",
            "x",
            "y",
            "state",
            "booked_by_me",
            "held_by_me",
        )
    )
