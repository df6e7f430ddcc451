"""A house with a million seats, made by the database itself: three months behind, one to come."""

from django.db import connection

SEATS = 1_000_000
# A quarter of the shows is still to come, half of what is over was sold, and a little
# of what is to come. Customers have bought thirty seats each, three at a time.
_STATEMENTS = (
    """
    INSERT INTO users (id, name, email, password_hash)
    SELECT 1000 + n, 'Customer ' || n, 'customer' || n || '@example.com', '!'
      FROM generate_series(1, 13000) AS n
    """,
    """
    INSERT INTO theatres (id, name, timezone)
    SELECT 1000 + n, 'Theatre ' || n, 'Europe/Vienna' FROM generate_series(1, 20) AS n
    """,
    """
    INSERT INTO screens (id, theatre_id, name, layout, turnaround_minutes)
    SELECT 1000 + n, 1001 + n % 20, 'Screen ' || n, '', 20 FROM generate_series(1, 20) AS n
    """,
    """
    INSERT INTO movies (id, title, description, duration_minutes, genres)
    SELECT 1000 + n, 'Movie ' || n, repeat('What happens. ', 20), 100, '{Drama,Comedy}'
      FROM generate_series(1, 200) AS n
    """,
    """
    INSERT INTO shows (id, movie_id, theatre_id, screen_id, start_time, end_time,
                       occupied_until, language, status)
    SELECT 1000 + n, 1001 + n / 50 % 200, 1001 + n % 20, 1001 + n % 20, starts,
           starts + interval '100 minutes', starts + interval '120 minutes', 'German',
           CASE WHEN n % 50 = 0 THEN 'cancelled' WHEN n % 90 = 0 THEN 'planned' ELSE 'open' END
      FROM (SELECT n, date_trunc('hour', now()) + interval '1 hour'
                      + (n / 20 - 375) * interval '6 hours' AS starts
              FROM generate_series(1, 10000) AS n) AS timed
    """,
    """
    INSERT INTO seats (id, show_id, row, number, price, x, y, status)
    SELECT 1000 + (show - 1) * 100 + place + 1, 1000 + show, chr(65 + place / 10),
           1 + place % 10, 12, place % 10, place / 10,
           CASE WHEN place % 10 < CASE WHEN show < 7500 THEN 5 ELSE 1 END
                THEN 'booked' ELSE 'available' END
      FROM generate_series(1, 10000) AS show, generate_series(0, 99) AS place
    """,
    """
    INSERT INTO orders (id, reference, user_id, show_id, customer_name, customer_email, total,
                        currency, channel, created_at)
    SELECT id, overlay(upper(lpad(to_hex(id), 8, '0')) placing '-' from 5 for 0),
           CASE WHEN id % 50 <> 4 THEN 1001 + id / 10 % 13000 END, show_id,
           CASE WHEN id % 50 = 4 THEN 'Walker ' || id ELSE '' END,
           CASE WHEN id % 50 = 4 THEN 'Walker' || id || '@example.com' ELSE '' END, 36, 'EUR',
           CASE WHEN id % 50 = 4 THEN 'box_office' ELSE 'web' END,
           now() - (1001000 - id) * interval '8 seconds'
      FROM seats WHERE status = 'booked' AND number IN (1, 4)
    """,
    # Without numbers of the tables, what follows may be planned as a loop in a loop.
    "ANALYZE seats, orders",
    """
    INSERT INTO bookings (id, user_id, show_id, seat_id, order_id, price, booked_at, cancelled_at)
    SELECT seats.id, orders.user_id, seats.show_id, seats.id, orders.id, 12, orders.created_at,
           CASE WHEN seats.id % 40 = 3 THEN orders.created_at + interval '1 hour' END
      FROM seats JOIN orders ON orders.id = seats.id - (seats.number - 1) % 3
     WHERE seats.status = 'booked'
    """,
    "ANALYZE bookings",
    """
    UPDATE orders SET status = CASE WHEN whole THEN 'cancelled' ELSE 'partially_cancelled' END
      FROM (SELECT order_id, bool_and(cancelled_at IS NOT NULL) AS whole FROM bookings
             GROUP BY order_id HAVING count(cancelled_at) > 0) AS counted
     WHERE orders.id = order_id
    """,
    # What was cancelled is for sale again.
    """
    UPDATE seats SET status = 'available'
      FROM bookings WHERE seat_id = seats.id AND cancelled_at IS NOT NULL
    """,
    """
    INSERT INTO idempotency_records (user_id, operation, key, fingerprint, status, body,
                                     created_at)
    SELECT user_id, 'book', 'key ' || id, repeat('f', 64), 201, repeat('x', 600), created_at
      FROM orders WHERE user_id IS NOT NULL
    """,
    """
    INSERT INTO holds (id, user_id, show_id, seat_ids, expires_at, max_expires_at, created_at,
                       ended_at, end_reason)
    SELECT gen_random_uuid(), user_id, show_id, ARRAY[id], created_at + interval '10 minutes',
           created_at + interval '20 minutes', created_at, created_at + interval '5 minutes',
           'booked'
      FROM orders WHERE user_id IS NOT NULL
    """,
    """
    WITH live AS (
        INSERT INTO holds (id, user_id, show_id, seat_ids, expires_at, max_expires_at)
        SELECT gen_random_uuid(), 1001 + id / 100 % 13000, show_id, ARRAY[id],
               now() + (1 + id % 600) * interval '1 second', now() + interval '20 minutes'
          FROM seats WHERE show_id > 10000 AND show_id % 10 = 0 AND row = 'A' AND number = 10
        RETURNING id, seat_ids, expires_at
    )
    UPDATE seats SET status = 'held', hold_id = live.id, held_until = live.expires_at
      FROM live WHERE seats.id = live.seat_ids[1]
    """,
    """
    INSERT INTO sign_ins (id, user_id, token_id, created_at, expires_at, ended_at)
    SELECT gen_random_uuid(), 1001 + n % 13000, gen_random_uuid(),
           now() - n * interval '1 minute', now() + interval '14 days' - n * interval '1 minute',
           CASE WHEN n % 1000 = 0 THEN now() END
      FROM generate_series(1, 50000) AS n
    """,
    """
    INSERT INTO audit_entries (at, actor_id, action, subject_type, subject_id, subject_name,
                               theatre_id, facts)
    SELECT now() - n * interval '1 minute', 1001 + n % 50,
           CASE WHEN n % 1000 = 0 THEN 'order_cancelled' ELSE 'seats_blocked' END, 'catalog.show',
           1001 + n % 10000, 'Movie ' || 1001 + n % 200, 1001 + n % 20, '{}'
      FROM generate_series(1, 50000) AS n
    """,
    *(
        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
        for table in ("users", "theatres", "screens", "movies", "shows", "seats")
    ),
    *(
        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM seats))"
        for table in ("orders", "bookings")
    ),
    "VACUUM ANALYZE",  # as it happens by itself in time
)


def fill() -> None:
    """Fill the tables. Their triggers rest meanwhile, foreign keys too: that halves the time."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            for statement in _STATEMENTS:
                cursor.execute(statement)
        finally:
            cursor.execute("RESET session_replication_role")
