"""Counting shows that are over, once and for all, so that reports over a year are fast.

How a counted show stays right, without a lock that a sale could meet
(docs/decisions/0013-precomputed-sales-reports.md):

1. A show that is over is *marked*: it gets a row in `counted_shows`, committed, without figures.
2. Whatever writes its bookings or seats from then on finds the mark and deletes it (triggers).
   Writers that began before could not see it: so the counting waits until they are done.
3. Then it is counted, the mark locked. Who writes meanwhile waits for that lock, and deletes
   what was counted; who wrote before is in the figures, or has deleted the mark.

One process counts at a time: it must have waited after every mark that it counts.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from catalog.models import ShowStatus
from reports.models import CountedShow

# Late enough that hardly any sale or cancellation of the evening is still to come.
OVER_FOR = "1 day"
LOOK_AGAIN_SECONDS = 0.05
# The advisory lock of whoever counts.
COUNTING = 7_240_120

MARK = """
INSERT INTO counted_shows (show_id)
SELECT id FROM shows
 WHERE coalesce(end_time, start_time) < now() - %(over_for)s::interval AND status <> %(cancelled)s
   AND NOT EXISTS (SELECT FROM counted_shows WHERE show_id = shows.id)
 ORDER BY start_time DESC
 LIMIT %(batch)s
    ON CONFLICT DO NOTHING
"""

LOCK_MARKS = """
SELECT show_id FROM counted_shows
 WHERE counted_at IS NULL
 ORDER BY show_id
 LIMIT %(batch)s
   FOR UPDATE SKIP LOCKED
"""

SALES = """
SELECT bookings.show_id, coalesce(orders.channel, '') AS channel,
       coalesce(orders.currency, '') AS currency, count(*) AS admissions,
       count(bookings.price) AS priced, coalesce(sum(bookings.price), 0) AS gross
  FROM bookings LEFT JOIN orders ON orders.id = bookings.order_id
 WHERE bookings.cancelled_at IS NULL AND bookings.show_id = ANY(%(shows)s)
 GROUP BY 1, 2, 3
"""

COUNT_SALES = f"""
INSERT INTO counted_sales (show_id, channel, currency, admissions, priced, gross)
{SALES}
"""

COUNT_SEATS = """
UPDATE counted_shows
   SET counted_at = now(),
       seats_for_sale = (SELECT count(*) FROM seats
                          WHERE seats.show_id = counted_shows.show_id AND status <> 'blocked')
 WHERE show_id = ANY(%(shows)s)
"""


def count_shows(*, batch: int, patience: float) -> int:
    """Count up to `batch` shows that are over, and return how many were.

    Waits up to `patience` seconds for transactions that are older than the
    marks; when some last longer, or somebody else counts, nothing is counted,
    and the marks wait for the next call. Opens its own transactions.
    """
    with _alone() as alone:
        if not alone:
            return 0
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(
                MARK, {"over_for": OVER_FOR, "cancelled": ShowStatus.CANCELLED, "batch": batch}
            )
        if not CountedShow.objects.filter(counted_at=None).exists():
            return 0
        if not _older_writers_are_done(patience):
            return 0
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(LOCK_MARKS, {"batch": batch})
            marked = {"shows": [show_id for (show_id,) in cursor]}
            cursor.execute(COUNT_SALES, marked)
            cursor.execute(COUNT_SEATS, marked)
        return len(marked["shows"])


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [COUNTING])
        (alone,) = cursor.fetchone()
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [COUNTING])


def _older_writers_are_done(patience: float) -> bool:
    """Wait until every transaction that writes at this moment has ended."""
    deadline = time.monotonic() + patience
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        (newest,) = cursor.fetchone()
        while True:
            cursor.execute(
                "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8", [str(newest)]
            )
            if cursor.fetchone()[0]:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_AGAIN_SECONDS)
