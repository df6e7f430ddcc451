"""Write the state of the database at the end of a run to the journal, for the checker."""

import time
from typing import Any

from django.db import connection, transaction

from benchmarks.stampede.journal import Journal
from benchmarks.stampede.plan import Plan
from bookings.integrity.invariants import examine

# Times in microseconds since the epoch, as whole numbers compare exactly.
TABLES = {
    "bookings": """
        SELECT bookings.id, bookings.user_id, bookings.show_id, seat_id, price::text,
               orders.reference,
               (extract(epoch FROM booked_at) * 1000000)::bigint AS booked_at,
               (extract(epoch FROM cancelled_at) * 1000000)::bigint AS cancelled_at
          FROM bookings LEFT JOIN orders ON orders.id = order_id
         WHERE bookings.show_id = ANY (%(shows)s)
    """,
    "orders": """
        SELECT reference, user_id, total::text,
               (SELECT count(*) FROM idempotency_records AS record
                 WHERE record.user_id = orders.user_id
                   AND record.body LIKE '%%"reference":"' || reference || '"%%') AS records
          FROM orders WHERE show_id = ANY (%(shows)s) AND user_id = ANY (%(accounts)s)
    """,
    "seats": "SELECT id, status FROM seats WHERE show_id = ANY (%(shows)s)",
}
QUIET_SECONDS = 3.0


def write_final_state(*, plan: Plan, journal: Journal) -> None:
    """Write the tables, the findings of `doctor` and what is unfinished, after the last request."""
    connection.close()  # A fault may have broken it.
    for left in _unfinished():
        journal.write("unfinished", **left)
    sought = {
        "shows": [show.show_id for show in plan.shows],
        "accounts": [account.id for account in plan.accounts],
    }
    for table, sql in TABLES.items():
        for row in _rows(sql, sought):
            journal.write("row", table=table, row=row)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for finding in examine():
            if finding.is_violation:
                journal.write(
                    "finding",
                    invariant=finding.invariant.name,
                    count=finding.count,
                    examples=finding.examples,
                )
    connection.close()


def _unfinished() -> list[dict[str, Any]]:
    """Return the backends that are still active, or hold locks, after some seconds.

    Only workers and commands take advisory locks, and a worker holds one as long as it runs.
    """
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        left = _rows(
            """
            SELECT pid, state, left(query, 200) AS query FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND backend_type = 'client backend'
               AND (state <> 'idle' OR pid IN
                    (SELECT pid FROM pg_locks WHERE locktype NOT IN ('virtualxid', 'advisory')))
            """,
            {},
        )
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def _rows(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
