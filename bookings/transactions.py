"""The one place where a write of this app opens its transaction."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, IntegrityError, OperationalError, transaction

from booking_site.api.errors import violated_constraint

T = TypeVar("T")

RETRIES = 3
SERIALIZATION_FAILURE = "40001"
DEADLOCK = "40P01"
LOCK_TIMEOUT = "55P03"


def sqlstate(error: Error) -> str | None:
    """Return PostgreSQL's code for the error; None when the connection was lost before one came."""
    return getattr(error.__cause__, "sqlstate", None)


def _is_bad_luck(error: OperationalError | IntegrityError) -> bool:
    if isinstance(error, IntegrityError):
        # A reference drawn at random was drawn before; a form sent twice at once, whose
        # second transaction finds the record of the first when it starts anew.
        return violated_constraint(error) in {"order_reference_unique", "idempotency_one_per_key"}
    return sqlstate(error) in {SERIALIZATION_FAILURE, DEADLOCK}


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one durable transaction and return what it returns.

    A deadlock, a serialization failure, an order reference drawn twice or a key
    recorded by somebody faster rolls everything back and starts anew, up to three
    times with jitter, so `work` must have no effect outside the database. After
    that, or at any other error, the error is the caller's.
    """
    retries = 0
    while True:
        try:
            with transaction.atomic(durable=True):
                return work()
        except (OperationalError, IntegrityError) as error:
            if retries == RETRIES or not _is_bad_luck(error):
                raise
        retries += 1
        # Jitter, so that the transactions that met do not meet again.
        time.sleep(random.uniform(0.005, 0.05) * retries)  # noqa: S311 - no secret
