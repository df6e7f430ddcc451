"""Counts the sales of past shows once, so that reports over a year are fast.

How the count stays correct without a lock that sales could wait for
(docs/decisions/0013-precomputed-sales-reports.md):

1. A past show is *marked*: it gets a row in `counted_shows`, committed, without figures.
2. From then on every write to its bookings or seats finds the mark and deletes it (triggers).
   Transactions that began before can't see it, so counting waits until they have ended.
3. The mark is locked and the show counted. Concurrent writes wait for that lock and then
   delete the count; earlier ones are included, or have deleted the mark.

One process counts at a time, because it must have waited after every mark that it counts.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from catalog.models import ShowStatus
from reports.figures import seats_for_sale
from reports.models import CountedShow

# By then there are hardly any more sales or cancellations.
MIN_AGE = "1 day"
POLL_SECONDS = 0.05
# Advisory lock: one process counts at a time.
COUNT_LOCK = 7_240_120

MARK = """
INSERT INTO counted_shows (show_id)
SELECT id FROM shows
 WHERE coalesce(end_time, start_time) < now() - %(min_age)s::interval AND status <> %(cancelled)s
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

COUNT_SALES = """
INSERT INTO counted_sales (show_id, channel, currency, admissions, priced, gross)
SELECT bookings.show_id, coalesce(orders.channel, '') AS channel,
       coalesce(orders.currency, '') AS currency, count(*) AS admissions,
       count(bookings.price) AS priced, coalesce(sum(bookings.price), 0) AS gross
  FROM bookings LEFT JOIN orders ON orders.id = bookings.order_id
 WHERE bookings.cancelled_at IS NULL AND bookings.show_id = ANY(%(shows)s)
 GROUP BY 1, 2, 3
"""

COUNT_SEATS = f"""
UPDATE counted_shows
   SET counted_at = now(), seats_for_sale = {seats_for_sale("counted_shows.show_id")}
 WHERE show_id = ANY(%(shows)s)
"""  # noqa: S608 - no outside input


def count_shows(*, batch: int, timeout: float) -> int:
    """Count up to `batch` past shows, and return how many were counted.

    Waits up to `timeout` seconds for transactions older than the marks. If some
    last longer, or another process is counting, returns 0 and leaves the marks for
    the next call. Opens its own transactions.
    """
    with _counting_lock() as acquired:
        if not acquired:
            return 0
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(
                MARK, {"min_age": MIN_AGE, "cancelled": ShowStatus.CANCELLED, "batch": batch}
            )
        if not CountedShow.objects.filter(counted_at=None).exists():
            return 0
        if not _older_writers_are_done(timeout):
            return 0
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(LOCK_MARKS, {"batch": batch})
            marked = {"shows": [show_id for (show_id,) in cursor]}
            cursor.execute(COUNT_SALES, marked)
            cursor.execute(COUNT_SEATS, marked)
        return len(marked["shows"])


@contextmanager
def _counting_lock() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [COUNT_LOCK])
        (acquired,) = cursor.fetchone()
        try:
            yield acquired
        finally:
            if acquired:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [COUNT_LOCK])


def _older_writers_are_done(timeout: float) -> bool:
    """Wait until every current writing transaction has ended; return False after `timeout`."""
    deadline = time.monotonic() + timeout
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
            time.sleep(POLL_SECONDS)
