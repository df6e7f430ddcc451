"""The one place where a write of this app opens its transaction."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, IntegrityError, transaction

from booking_site.api.errors import violated_constraint
from booking_site.postgres.pipeline import STALE_PLAN, CommitUnknown

T = TypeVar("T")

RETRIES = 3
SERIALIZATION_FAILURE = "40001"
DEADLOCK = "40P01"
LOCK_TIMEOUT = "55P03"


def sqlstate(error: Error) -> str | None:
    """Return PostgreSQL's code for the error; None when the connection was lost before one came."""
    return getattr(error.__cause__, "sqlstate", None)


def _is_worth_retrying(error: Error) -> bool:
    if isinstance(error, IntegrityError):
        # A reference drawn at random existed already; a form was sent twice at once, and the
        # second transaction finds the record of the first when it runs again.
        return violated_constraint(error) in {"order_reference_unique", "idempotency_one_per_key"}
    return sqlstate(error) in {SERIALIZATION_FAILURE, DEADLOCK, *STALE_PLAN}


def _lost_commit(error: BaseException | None) -> CommitUnknown | None:
    """Return it even if Django, which connects again after it, has raised another error."""
    while error is not None and not isinstance(error, CommitUnknown):
        error = error.__context__
    return error


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one durable transaction and return what it returns.

    A deadlock, a serialization failure, a stale plan, an order reference drawn twice or
    a key recorded by a faster request rolls everything back and starts again, up to
    three times with jitter, so `work` must have no effect outside the database. After
    that, and for any other error, the error is raised: `CommitUnknown` when nobody
    knows whether it was committed.
    """
    retries = 0
    while True:
        try:
            with transaction.atomic(durable=True):
                return work()
        except Error as error:
            if lost := _lost_commit(error):
                raise lost from lost.__cause__
            if retries == RETRIES or not _is_worth_retrying(error):
                raise
        retries += 1
        # Jitter, so that the transactions that met do not meet again.
        time.sleep(random.uniform(0.005, 0.05) * retries)  # noqa: S311 - no secret
