"""The site with seat maps cached for a tenth of a second.

A control for the test that reads maps while it books, which must notice. Served
instead of `booking_site.wsgi`; the site itself has no switch for this.
"""

from time import monotonic
from typing import Any

from booking_site.wsgi import application
from bookings.seat_map import SeatMap, seat_map
from bookings.views import seats

__all__ = ["application"]

cached: dict[int, tuple[float, SeatMap]] = {}


def cached_map(*, show_id: int, caller: Any, using: str) -> SeatMap:
    if show_id not in cached or cached[show_id][0] < monotonic() - 0.1:
        cached[show_id] = monotonic(), seat_map(show_id=show_id, caller=caller, using=using)
    return cached[show_id][1]


seats.seat_map = cached_map
