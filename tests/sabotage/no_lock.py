"""The site without its first guard against selling twice: the lock of the seats.

A control for the stampede, which must notice. Served instead of
`booking_site.wsgi`; the site itself has no switch for this.
"""

from collections.abc import Collection
from contextlib import nullcontext

from django.db import connection

from booking_site.wsgi import application
from bookings import idempotency
from bookings.services import cancelling, claims, holds, sales
from catalog.models import Seat

__all__ = ["application"]


def look_without_lock(
    *, show_id: int, seat_ids: Collection[int], whole_rows: bool
) -> dict[int, Seat]:
    seats = Seat.objects.filter(show_id=show_id).in_bulk(list(seat_ids))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.03)")  # so that rivals see them free, too
    return seats


for module in (cancelling, claims, holds, sales):
    module.lock_seats = look_without_lock
# Else the seats would be locked ahead.
idempotency.sent_ahead = lambda *calls: nullcontext()
