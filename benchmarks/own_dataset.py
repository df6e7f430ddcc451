"""The tables of this site, filled for a benchmark."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from argon2 import PasswordHasher

from accounts.hashers import LeanArgon2PasswordHasher
from benchmarks.dataset import CUSTOMERS, PASSWORD, Dataset, Size


class OwnDataset(Dataset):
    fill_statements = (
        # Skips triggers and foreign keys: the rows below are consistent by construction.
        "SET session_replication_role = replica",
        """
        INSERT INTO users (id, name, email, password_hash, token_version)
        SELECT n, 'Customer ' || n, 'customer' || n || '@example.com', %(password_hash)s, 1
          FROM generate_series(1, %(users)s) AS n
        """,
        """
        INSERT INTO sign_ins (id, user_id, token_id, expires_at)
        SELECT lpad(to_hex(id), 32, '0')::uuid, id, gen_random_uuid(), now() + interval '14 days'
          FROM users
        """,
        """
        INSERT INTO movies (id, title, description, duration_minutes, certificate, language,
                            genres, poster_url, release_date)
        SELECT n, 'Movie ' || n, repeat('What happens in it, and to whom. ', 6), 110, 'PG', 'en',
               ARRAY['Drama', 'Comedy'], 'https://example.com/posters/' || n || '.jpg',
               '2026-01-01'
          FROM generate_series(1, %(movies)s) AS n
        """,
        """
        INSERT INTO theatres (id, name, location, gap_rule)
        VALUES (1, 'Without the gap rule', 'Here', 'off'),
               (2, 'With the gap rule', 'There', 'middle_only')
        """,
        """
        INSERT INTO screens (id, theatre_id, name, layout, turnaround_minutes)
        SELECT n, 1 + n / 50, 'Screen ' || n, '', 20 FROM generate_series(1, 99) AS n
        """,
        """
        INSERT INTO shows (id, movie_id, theatre_id, screen_id, start_time, end_time,
                           occupied_until)
        SELECT n, 1 + n %% %(movies)s, theatre, screen, starts,
               starts + interval '110 minutes', starts + interval '130 minutes'
          FROM (SELECT n, theatre, screen, now() + interval '1 day'
                       + interval '3 hours' * ((n - 1) / 49) AS starts
                  FROM (SELECT n, 1 AS theatre, 1 + (n - 1) %% 49 AS screen
                          FROM generate_series(1, %(shows)s) AS n
                         UNION ALL
                        SELECT n, 2, 50 + (n - 1) %% 49
                          FROM generate_series(%(shows)s + 1, %(shows)s + %(gap_rule)s) AS n
                         UNION ALL
                        SELECT n, 1, 1 + (n - 1) %% 49
                          FROM generate_series(%(shows)s + %(gap_rule)s + 1,
                                               %(shows)s + %(gap_rule)s + %(premieres)s) AS n
                       ) AS placed) AS timed
        """,
        """
        INSERT INTO seats (id, show_id, row, number, price, x, y, status)
        SELECT (show - 1) * 240 + place + 1, show, chr(65 + place / 20), 1 + place %% 20, 15,
               place %% 20, place / 20,
               CASE WHEN show <= %(shows)s AND CASE WHEN show <= 2 THEN place %% 2 = 0
                                                   ELSE place %% 10 < %(sold)s * 10 END
                    THEN 'booked' ELSE 'available' END
          FROM generate_series(1, %(shows)s + %(gap_rule)s) AS show,
               generate_series(0, 239) AS place
        """,
        """
        INSERT INTO seats (id, show_id, row, number, price, x, y)
        SELECT (%(shows)s + %(gap_rule)s) * 240 + premiere * 2000 + place + 1,
               %(shows)s + %(gap_rule)s + premiere + 1,
               chr(65 + place / 80), 1 + place %% 80, 15, place %% 80, place / 80
          FROM generate_series(0, %(premieres)s - 1) AS premiere,
               generate_series(0, 1999) AS place
        """,
        """
        INSERT INTO orders (id, reference, user_id, show_id, channel, customer_name,
                            customer_email, total, currency)
        SELECT id, upper(lpad(to_hex(id), 9, '0')), 1 + id %% %(users)s, show_id, 'web', '', '',
               15, 'USD'
          FROM seats WHERE status = 'booked'
        """,
        """
        INSERT INTO bookings (id, user_id, show_id, seat_id, order_id, price)
        SELECT id, user_id, show_id, id, id, 15 FROM orders
        """,
        "SELECT setval(pg_get_serial_sequence('seats', 'id'), (SELECT max(id) FROM seats))",
        "SELECT setval(pg_get_serial_sequence('orders', 'id'), (SELECT max(id) FROM seats))",
        "SELECT setval(pg_get_serial_sequence('bookings', 'id'), (SELECT max(id) FROM seats))",
        "VACUUM ANALYZE",
    )
    reset_statements = (
        "DELETE FROM orders WHERE NOT EXISTS"
        " (SELECT 1 FROM bookings WHERE bookings.order_id = orders.id)"
        " AND id > (SELECT max(id) FROM seats)",
        "UPDATE seats SET status = 'available', hold_id = NULL, held_until = NULL"
        " WHERE hold_id IS NOT NULL",
        "DELETE FROM holds",
        "TRUNCATE idempotency_records, django_tasks_database_dbtaskresult",
        # Those of logins have random ids.
        "DELETE FROM sign_ins WHERE id >= '00000001-0000-0000-0000-000000000000'",
        "VACUUM ANALYZE orders, holds",
    )

    def __init__(self, *, url: str, size: Size, jwt_key: str) -> None:
        super().__init__(url=url, size=size)
        self._jwt_key = jwt_key

    def password_hash(self) -> str:
        # Same costs and salt length as the site's hasher: otherwise each login would also
        # upgrade the hash.
        hasher = PasswordHasher(
            memory_cost=LeanArgon2PasswordHasher.memory_cost,
            time_cost=LeanArgon2PasswordHasher.time_cost,
            parallelism=LeanArgon2PasswordHasher.parallelism,
        )
        return "argon2" + hasher.hash(PASSWORD, salt=secrets.token_hex(11).encode())

    def tokens(self) -> list[str]:
        now = datetime.now(UTC)
        claims = {
            "ver": 1,
            "jti": "benchmark",
            "token_type": "access",
            "iat": now,
            "exp": now + timedelta(days=1),
            "iss": "movie-booking-api",
            "aud": "movie-booking-api",
        }
        return [
            jwt.encode(
                claims | {"sub": str(user_id), "sid": str(UUID(int=user_id))},
                self._jwt_key,
                algorithm="HS256",
            )
            for user_id in range(1, CUSTOMERS + 1)
        ]
