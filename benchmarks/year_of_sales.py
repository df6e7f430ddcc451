"""Measures a report over a year: 20 screens, 10 million seats, 3 million bookings.

Run it from the root of the repository; the first run takes minutes to build the data:

    python -m booking_site.embedded --data /tmp/year -- python -m benchmarks.year_of_sales

It refuses a database with other orders.
"""

import os
import sys
from datetime import timedelta
from statistics import median
from time import perf_counter

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - needs the settings
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from catalog.models import Theatre  # noqa: E402
from reports.models import CountedShow  # noqa: E402
from reports.queries import Dimension, report  # noqa: E402

RUNS = 5
SHOWS = 36_500
SEATS_PER_SHOW = 275
BUILD = f"""
-- Skips foreign keys and triggers: the rows are consistent by construction.
SET LOCAL session_replication_role = replica;

INSERT INTO theatres (id, name, timezone, currency)
SELECT n, 'Theatre ' || n, 'Europe/Vienna', 'EUR' FROM generate_series(1, 4) AS n;

INSERT INTO screens (id, theatre_id, name, layout, turnaround_minutes)
SELECT n, (n - 1) / 5 + 1, 'Screen ' || n, '', 20 FROM generate_series(1, 20) AS n;

INSERT INTO movies (id, title, certificate)
SELECT n, 'Film ' || n, (ARRAY['G', 'PG', '12A', '15', '18'])[n % 5 + 1]
  FROM generate_series(1, 80) AS n;

INSERT INTO users (id, name, email, password_hash, is_superuser, is_staff, is_active)
SELECT n, 'Customer ' || n, 'customer' || n || '@example.com', '!', false, false, true
  FROM generate_series(1, 20000) AS n;

-- Five shows a day on each screen, until yesterday.
INSERT INTO shows (id, movie_id, theatre_id, screen_id, start_time, end_time, occupied_until)
SELECT n + 1, (n * 7 + n / 700) % 80 + 1, (n % 20) / 5 + 1, n % 20 + 1,
       start, start + interval '120 minutes', start + interval '140 minutes'
  FROM generate_series(0, {SHOWS} - 1) AS n,
       LATERAL (SELECT date_trunc('day', now()) - interval '365 days' + interval '10 hours'
                       + n / 100 * interval '1 day' + n / 20 % 5 * interval '160 minutes'
                       AS start) AS clock;

INSERT INTO seats (id, show_id, row, number, price, status, category, x, y)
SELECT (show - 1) * {SEATS_PER_SHOW} + n + 1, show, chr(65 + n / 25), n % 25 + 1,
       CASE WHEN n > 200 THEN 15 ELSE 12 END,
       CASE WHEN n % 137 = 0 THEN 'blocked'
            WHEN hashint8(show * 101 + n / 3) % 100 BETWEEN -30 AND 29 THEN 'booked'
            ELSE 'available' END,
       CASE WHEN n > 200 THEN 'premium' ELSE 'standard' END, n % 25, n / 25
  FROM generate_series(1, {SHOWS}) AS show, generate_series(0, {SEATS_PER_SHOW} - 1) AS n;

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
"""  # noqa: S608 - constants of this module


def build() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BUILD)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def seconds(dimension: Dimension, *, runs: int) -> list[float]:
    """Return how long each of some reports over the year took."""
    theatres = list(Theatre.objects.all())
    last = timezone.localdate()
    taken = []
    for _ in range(runs):
        start = perf_counter()
        found = report(
            dimension=dimension,
            theatres=theatres,
            first=last - timedelta(days=366),
            last=last,
        )
        taken.append(perf_counter() - start)
        assert found.lines  # noqa: S101 - otherwise nothing was measured
    return taken


def measure() -> None:
    print(f"{'report over the year, seconds':32}{'best':>8}{'median':>8}{'worst':>8}")
    for dimension in Dimension:
        taken = seconds(dimension, runs=RUNS)
        print(f"{dimension:32}{min(taken):8.2f}{median(taken):8.2f}{max(taken):8.2f}")


def main() -> None:
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), bool_and(reference ~ '^[0-9]+$') FROM orders")
        orders, is_ours = cursor.fetchone()
    if not orders:
        build()
    elif not is_ours:
        sys.exit("This database has other orders: name another folder with --data.")
    if not CountedShow.objects.exists():
        [taken] = seconds(Dimension.MOVIE, runs=1)
        print(f"Without counted shows, a report over the year takes {taken:.0f} seconds.")
        start = perf_counter()
        call_command("count_shows")
        print(f"Counting took {perf_counter() - start:.0f} seconds.")
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE counted_shows, counted_sales")
    measure()


if __name__ == "__main__":
    main()
