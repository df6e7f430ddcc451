"""Runs every write of this app in a durable transaction, with retries."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, IntegrityError, transaction

from booking_site.api.errors import violated_constraint
from booking_site.postgres.pipeline import STALE_PLAN

T = TypeVar("T")

RETRIES = 3
SERIALIZATION_FAILURE = "40001"
DEADLOCK = "40P01"
LOCK_TIMEOUT = "55P03"


def sqlstate(error: Error) -> str | None:
    """Return PostgreSQL's code for the error; None if the connection was lost."""
    return getattr(error.__cause__, "sqlstate", None)


def _is_worth_retrying(error: Error) -> bool:
    if isinstance(error, IntegrityError):
        # The random reference already existed, or the same form or key was sent twice at once:
        # when it runs again, the second transaction finds the record of the first.
        return violated_constraint(error) in {"order_reference_unique", "idempotency_one_per_key"}
    return sqlstate(error) in {SERIALIZATION_FAILURE, DEADLOCK, *STALE_PLAN}


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one durable transaction and return its result.

    After a deadlock, a serialization failure, a stale plan, a duplicate order reference or a
    key that a concurrent request has recorded, it runs again, up to RETRIES times. So `work`
    must have no effect outside the database. Any other error is raised, `CommitUnknown` if it
    is unknown whether the transaction was committed.
    """
    retries = 0
    while True:
        try:
            with transaction.atomic(durable=True):
                return work()
        except Error as error:
            if retries == RETRIES or not _is_worth_retrying(error):
                raise
        retries += 1
        # Jitter, so that the same transactions don't conflict again.
        time.sleep(random.uniform(0.005, 0.05) * retries)  # noqa: S311 - no secret
