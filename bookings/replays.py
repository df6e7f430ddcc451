"""Copies in Redis of what was answered to a key: fast to find, never relied on.

Every error of Redis is a miss (see the settings of the cache), so nothing
here raises, and nothing here decides: PostgreSQL has the record.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.core.cache import caches

# What clients are promised. PostgreSQL keeps its records longer.
KEPT_SECONDS = 24 * 60 * 60


class Name(NamedTuple):
    """Whose key for what. Not the token's: a refreshed token may retry."""

    user_id: int
    operation: str
    key: str

    def __str__(self) -> str:
        return f"{self.user_id}:{self.operation}:{self.key}"


class Record(NamedTuple):
    """What was answered, and the fingerprint of what was asked."""

    fingerprint: str
    status: int
    body: str


def find(name: Name) -> Record | None:
    found = caches["idempotency"].get(str(name))
    return Record(*found) if found else None


def keep(name: Name, record: Record) -> None:
    caches["idempotency"].set(str(name), list(record), KEPT_SECONDS)


def forget(names: Iterable[Name]) -> None:
    caches["idempotency"].delete_many([str(name) for name in names])
