"""The site with a key's record committed before its effect, in a transaction of its own.

A control for the stampede, which must notice when COMMIT is cut: the record
then promises seats that nobody has. Served instead of `booking_site.wsgi`; the
site itself has no switch for this.
"""

import os

import psycopg

from booking_site.wsgi import application
from bookings import idempotency, replays

__all__ = ["application"]


def store_apart(name: replays.Name, record: replays.Record) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as apart:
        apart.execute(idempotency._STORE.sql, [*name, *record])


idempotency._store = store_apart
