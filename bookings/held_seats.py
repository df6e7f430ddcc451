"""The read side of holds: a hold as its owner sees it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F

from booking_site.postgres.clock import ClockTimestamp
from bookings.models import Hold
from catalog.models import Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSeats:
    """A hold, its seats by row and number, and the database's time when they were read.

    Read or locked: a `Hold` with each `Seat`, or a `LockedHold` with each `LockedSeat`.
    """

    hold: Any
    seats: list[Any]
    currency: str
    now: datetime
    is_new: bool = False

    @property
    def total(self) -> Decimal:
        return sum((seat.price for seat in self.seats), start=Decimal(0))

    @property
    def priced_seats(self) -> list[dict[str, Any]]:
        """The facts of each seat, with the currency of its price."""
        names = ("id", "row", "section", "number", "price", "category", "x", "y")
        return [
            {name: getattr(seat, name) for name in names} | {"currency": self.currency}
            for seat in self.seats
        ]

    @property
    def expires_in(self) -> int:
        """The remaining time in whole seconds, rounded down."""
        return max(0, int((self.hold.expires_at - self.now).total_seconds()))


def live_holds(*, user_id: int) -> list[HeldSeats]:
    """Return the user's active holds, newest first; two queries."""
    holds = list(
        Hold.objects.filter(
            user_id=user_id, ended_at__isnull=True, expires_at__gt=ClockTimestamp()
        ).annotate(currency=F("show__theatre__currency"), now=ClockTimestamp())
    )
    seats = Seat.objects.in_bulk({pk for hold in holds for pk in hold.seat_ids})
    return [
        HeldSeats(
            hold=hold,
            seats=sorted((seats[pk] for pk in hold.seat_ids if pk in seats), key=Seat.place),
            currency=hold.currency,
            now=hold.now,
        )
        for hold in holds
    ]
