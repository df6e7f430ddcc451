"""The site with a key's record committed before its effect, in a separate transaction.

A control for the stampede, which must notice when COMMIT is cut: the record
then promises seats that nobody has. Served instead of `booking_site.wsgi`; the
site itself has no switch for this.
"""

import os
from typing import Any

import psycopg

from booking_site.postgres.pipeline import Call, Statement
from booking_site.wsgi import application
from bookings import idempotency

__all__ = ["application"]

STORE = idempotency._STORE
NOTHING = Statement("SELECT")


def store_apart(**record: Any) -> Call:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as apart:
        apart.execute(STORE.compiled.sql, record)
    return NOTHING()


idempotency._STORE = store_apart
