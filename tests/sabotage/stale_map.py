"""The site with seat maps kept for a tenth of a second, as a cache with a time to live would.

A control for the test that reads maps while it books, which must notice. Served
instead of `booking_site.wsgi`; the site itself has no switch for this.
"""

from time import monotonic
from typing import Any

from booking_site.wsgi import application
from bookings.seat_map import SeatMap, seat_map
from bookings.views import seats

__all__ = ["application"]

kept: dict[int, tuple[float, SeatMap]] = {}


def map_of_a_moment_ago(*, show_id: int, caller: Any) -> SeatMap:
    if show_id not in kept or kept[show_id][0] < monotonic() - 0.1:
        kept[show_id] = monotonic(), seat_map(show_id=show_id, caller=caller)
    return kept[show_id][1]


seats.seat_map = map_of_a_moment_ago
