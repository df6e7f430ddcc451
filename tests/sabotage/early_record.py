"""The site with a key's record committed before its effect, in a transaction of its own.

A control for the stampede, which must notice when COMMIT is cut: the record
then promises seats that nobody has. Served instead of `booking_site.wsgi`; the
site itself has no switch for this.
"""

import os
from typing import Any

import psycopg

from booking_site.wsgi import application
from bookings.models import IdempotencyRecord

__all__ = ["application"]


def create_apart(**fields: Any) -> None:
    names = ", ".join(fields)
    places = ", ".join(["%s"] * len(fields))
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as apart:
        apart.execute(
            f"INSERT INTO idempotency_records ({names}) VALUES ({places})", list(fields.values())
        )


IdempotencyRecord.objects.create = create_apart
