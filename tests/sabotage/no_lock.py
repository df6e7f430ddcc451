"""The site without its first guard against selling twice: the lock of the seats.

A control for the stampede, which must notice. Served instead of
`booking_site.wsgi`; the site itself has no switch for this.
"""

from booking_site.postgres.pipeline import Call, Rows, Statement, execute
from booking_site.wsgi import application
from bookings import idempotency
from bookings.services import holds, seat_locks

__all__ = ["application"]

PAUSE = Statement("SELECT pg_sleep(0.03)::text")


def execute_and_pause(*calls: Call) -> list[Rows]:
    *rows, _ = execute(*calls, PAUSE())  # so that rivals see the seats free, too
    return rows


seat_locks._locking = lambda seats: seats.order_by("pk")
for module in (holds, idempotency):
    module.execute = execute_and_pause
