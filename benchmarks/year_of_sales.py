"""Measures the tables of past shows and the reports over them, before and after the archive.

By default a fifth of a year in ten screens, a million seats, three in ten sold: `make year`. A
year in twenty screens has ten million seats: `make year ARGS="--days 365 --theatres 4"`.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from statistics import median
from time import perf_counter

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
django.setup()

import psutil  # noqa: E402 - needs the settings
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.processes import MIB  # noqa: E402
from benchmarks.report import markdown  # noqa: E402
from bookings.models import Order  # noqa: E402
from bookings.services.archiving import archive_rooms  # noqa: E402
from catalog.models import Seat, Show, Theatre  # noqa: E402
from reports.queries import Dimension, Report, report  # noqa: E402

RUNS = 11
# The clock of processor time has steps of ten milliseconds.
REPORTS_PER_RUN = 40
SEATS_PER_SHOW = 275
TABLES = ("seats", "archived_rooms", "bookings", "orders", "shows", "counted_sales")
OTHER_TABLES = (
    "bookings",
    "orders",
    "holds",
    "idempotency_records",
    "sign_ins",
    "django_session",
    "audit_entries",
)
BUILD = """
-- Skips foreign keys and triggers: the rows are consistent by construction.
SET LOCAL session_replication_role = replica;

INSERT INTO theatres (id, name, timezone, currency)
SELECT n, 'Theatre ' || n, 'Europe/Vienna', 'EUR' FROM generate_series(1, {theatres}) AS n;

-- Five screens in each theatre.
INSERT INTO screens (id, theatre_id, name, layout, turnaround_minutes)
SELECT n, (n - 1) / 5 + 1, 'Screen ' || n, '', 20 FROM generate_series(1, {theatres} * 5) AS n;

INSERT INTO movies (id, title, certificate)
SELECT n, 'Film ' || n, (ARRAY['G', 'PG', '12A', '15', '18'])[n % 5 + 1]
  FROM generate_series(1, 80) AS n;

INSERT INTO users (id, name, email, password_hash, is_superuser, is_staff, is_active)
SELECT n, 'Customer ' || n, 'customer' || n || '@example.com', '!', false, false, true
  FROM generate_series(1, 20000) AS n;

-- Five shows a day on each screen, until ARCHIVE_AFTER_DAYS ago.
INSERT INTO shows (id, movie_id, theatre_id, screen_id, start_time, end_time, occupied_until)
SELECT n + 1, (n * 7 + n / 700) % 80 + 1, n % ({theatres} * 5) / 5 + 1, n % ({theatres} * 5) + 1,
       start, start + interval '120 minutes', start + interval '140 minutes'
  FROM generate_series(0, {shows} - 1) AS n,
       LATERAL (SELECT date_trunc('day', now())
                       - interval '{archived} days' - interval '{days} days'
                       + n / ({theatres} * 25) * interval '1 day'
                       + n / ({theatres} * 5) % 5 * interval '160 minutes' AS start) AS clock;

INSERT INTO seats (id, show_id, row, number, price, status, category, x, y)
SELECT (show - 1) * {seats_per_show} + n + 1, show, chr(65 + n / 25), n % 25 + 1,
       CASE WHEN n > 200 THEN 15 ELSE 12 END,
       CASE WHEN n % 137 = 0 THEN 'blocked'
            WHEN hashint8(show * 101 + n / 3) % 100 BETWEEN -30 AND 29 THEN 'booked'
            ELSE 'available' END,
       CASE WHEN n > 200 THEN 'premium' ELSE 'standard' END, n % 25, n / 25
  FROM generate_series(1, {shows}) AS show, generate_series(0, {seats_per_show} - 1) AS n;

-- An order for every three neighbouring seats; every fifth was sold at the box office.
INSERT INTO orders (id, reference, user_id, show_id, channel, total, currency, created_at,
                    customer_name, customer_email)
SELECT party, lpad(party::text, 9, '0'), CASE WHEN party % 5 > 0 THEN party % 20000 + 1 END,
       show_id, CASE WHEN party % 5 > 0 THEN 'web' ELSE 'box_office' END, total, 'EUR', start_time,
       '', ''
  FROM (SELECT show_id * 100 + (y * 25 + x) / 3 AS party, show_id, sum(price) AS total
          FROM seats WHERE status = 'booked' GROUP BY 1, 2) AS parties
  JOIN shows ON shows.id = show_id;

INSERT INTO bookings (id, user_id, show_id, seat_id, order_id, price, booked_at)
SELECT seats.id, orders.user_id, orders.show_id, seats.id, orders.id, seats.price, created_at
  FROM seats JOIN orders ON orders.id = seats.show_id * 100 + (y * 25 + x) / 3
 WHERE seats.status = 'booked';
"""


ROWS = 100_000
# Rows of the tables from which the worker deletes.
OTHERS = """
SET LOCAL session_replication_role = replica;

INSERT INTO holds (id, user_id, show_id, seat_ids, expires_at, max_expires_at, ended_at, end_reason)
SELECT gen_random_uuid(), n % 20000 + 1, n % 1000 + 1, ARRAY[n, n + 1, n + 2], now(), now(), now(),
       'booked'
  FROM generate_series(1, {rows}) AS n;

INSERT INTO idempotency_records (user_id, operation, key, fingerprint, status, body, created_at)
SELECT n % 20000 + 1, 'book', gen_random_uuid(), repeat('f', 64), 201, repeat('b', 700), now()
  FROM generate_series(1, {rows}) AS n;

INSERT INTO sign_ins (id, user_id, token_id, replaced_token_id, issued_at, expires_at)
SELECT gen_random_uuid(), n % 20000 + 1, gen_random_uuid(), gen_random_uuid(), now(), now()
  FROM generate_series(1, {rows}) AS n;

INSERT INTO django_session (session_key, session_data, expire_date)
SELECT md5(n::text), repeat('s', 250), now() FROM generate_series(1, {rows}) AS n;

INSERT INTO audit_entries (actor_id, action, subject_type, subject_id, subject_name, theatre_id,
                           facts, at)
SELECT n % 100 + 1, 'seats_blocked', 'catalog.show', n % 1000 + 1,
       'Film ' || n % 80 || ', Fri 28 Nov 2026 20:00, Theatre 1, Screen 1', 1,
       '{{"seats": "A1, A2, A3"}}', now()
  FROM generate_series(1, {rows}) AS n;
"""

# As many seats as were deleted, of shows to come. Rolled back, as only the growth matters.
REFILL = """
INSERT INTO shows (id, movie_id, theatre_id, start_time)
SELECT -n, 1, 1, now() + interval '1 day' FROM generate_series(1, {shows}) AS n;
INSERT INTO seats (id, show_id, row, number, price, x, y)
SELECT -n - 1, -n / {seats_per_show} - 1, chr(65 + n % {seats_per_show} / 25),
       n % {seats_per_show} % 25 + 1, 12, n % 25, n % {seats_per_show} / 25
  FROM generate_series(0, {seats} - 1) AS n;
"""


def run(sql: str, **numbers: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.format(seats_per_show=SEATS_PER_SHOW, **numbers))


def build(*, days: int, theatres: int) -> None:
    with transaction.atomic():
        run(
            BUILD,
            days=days,
            theatres=theatres,
            shows=days * theatres * 25,
            archived=settings.ARCHIVE_AFTER_DAYS + 1,
        )
        run(OTHERS, rows=ROWS)


def sizes(tables: Sequence[str] = TABLES) -> dict[str, tuple[int, int]]:
    """Return the bytes of each table, with what is stored out of line, and of its indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_table_size(name::regclass), pg_indexes_size(name::regclass)"
            " FROM unnest(%s::text[]) AS name",
            [list(tables)],
        )
        return {name: (table, indexes) for name, table, indexes in cursor}


def of_seats(by_table: dict[str, tuple[int, int]]) -> int:
    return sum(by_table["seats"]) + sum(by_table["archived_rooms"])


def reports(days: int) -> tuple[list[Report], list[float]]:
    """Return each report over the shows, and PostgreSQL's processor time for it in seconds."""
    theatres = list(Theatre.objects.all())
    last = timezone.localdate()
    first = last - timedelta(days=days + settings.ARCHIVE_AFTER_DAYS + 2)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = psutil.Process(cursor.fetchone()[0])
    found, costs = [], []
    for dimension in Dimension:
        taken = []
        for _ in range(RUNS):
            before = sum(backend.cpu_times()[:2])
            for _ in range(REPORTS_PER_RUN):
                latest = report(dimension=dimension, theatres=theatres, first=first, last=last)
            taken.append((sum(backend.cpu_times()[:2]) - before) / REPORTS_PER_RUN)
        found.append(latest)
        costs.append(median(taken))
    return found, costs


def timed(title: str, work: Callable[[], object]) -> None:
    start = perf_counter()
    work()
    print(f"{title}: {perf_counter() - start:.1f} seconds", flush=True)


def archive_in_steps() -> None:
    """Archive as the worker does; the shows are counted again, and autovacuum runs, in between."""
    while archive_rooms(at_most=100):
        call_command("count_shows", stdout=io.StringIO())
        run("VACUUM counted_shows, counted_sales")


def refill(deleted: int) -> None:
    """Print by how much the seats grow if as many are inserted as were deleted."""
    with transaction.atomic():
        table, indexes = sizes()["seats"]
        run(REFILL, seats=deleted, shows=deleted // SEATS_PER_SHOW + 1)
        larger_table, larger_indexes = sizes()["seats"]
        transaction.set_rollback(True)
    print(
        f"Inserting {deleted:,} other seats: {(larger_table - table) / MIB:.1f} MiB more,"
        f" and {(larger_indexes - indexes) / MIB:.1f} MiB of indexes"
    )


def measure(*, days: int, theatres: int) -> None:
    timed("Building", lambda: build(days=days, theatres=theatres))
    run("VACUUM ANALYZE")
    timed("Counting shows", lambda: call_command("count_shows"))
    run("VACUUM ANALYZE")
    seats, shows, before = Seat.objects.count(), Show.objects.count(), sizes()
    print(f"{seats:,} seats of {shows:,} shows, {1 - _free() / seats:.0%} of them sold")
    figures, costs = reports(days)
    timed("Archiving", archive_in_steps)
    run("VACUUM ANALYZE")
    vacuumed = sizes()
    refill(seats - Seat.objects.count())
    run("VACUUM ANALYZE")
    timed("REINDEX CONCURRENTLY", lambda: run("REINDEX TABLE CONCURRENTLY seats"))
    reindexed = sizes()
    timed("VACUUM FULL seats", lambda: run("VACUUM FULL seats"))
    run("VACUUM ANALYZE")
    after = sizes()
    figures_after, costs_after = reports(days)
    print("The figures of all reports are", "equal" if figures_after == figures else "DIFFERENT")
    _print_sizes(before, vacuumed, reindexed, after)
    _print_reports(costs, costs_after)
    _print_others()


def _free() -> int:
    return Seat.objects.exclude(status="booked").count()


def _print_sizes(*stages: dict[str, tuple[int, int]]) -> None:
    head = ["MiB", "before", "after VACUUM", "after REINDEX", "after VACUUM FULL"]
    rows = [
        [f"{table}{part}", *(f"{stage[table][n] / MIB:.1f}" for stage in stages)]
        for table in TABLES
        for n, part in enumerate(("", ", indexes"))
    ]
    rows.append(["seats and archive", *(f"{of_seats(stage) / MIB:.1f}" for stage in stages)])
    ratios = (f"{of_seats(stage) / of_seats(stages[0]):.2f}" for stage in stages)
    print(markdown(head, [*rows, ["ratio", *ratios]]))


def _print_reports(before: list[float], after: list[float]) -> None:
    rows = [
        [dimension, f"{old * 1000:.1f}", f"{new * 1000:.1f}", f"{new / old:.2f}"]
        for dimension, old, new in zip(Dimension, before, after, strict=True)
    ]
    print(markdown(["report, CPU ms", "before", "after", "ratio"], rows))


def _print_others() -> None:
    rows = []
    for table, (heap, indexes) in sizes(OTHER_TABLES).items():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - of OTHER_TABLES
            millions = cursor.fetchone()[0] / 1_000_000
        rows.append(
            [table, f"{heap / MIB / millions:.0f}", f"{indexes / MIB / millions:.0f}"],
        )
    print(markdown(["MiB for each million rows", "table", "indexes"], rows))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make year ARGS=…", description=__doc__)
    parser.add_argument("--days", type=int, default=73)
    parser.add_argument("--theatres", type=int, default=2, help="of five screens each")
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    if Order.objects.exists():
        sys.exit("This database has orders: use an empty one.")
    measure(days=options.days, theatres=options.theatres)


if __name__ == "__main__":
    main()
