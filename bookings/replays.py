"""Copies in Redis of the answers given to keys: a fast path, never relied on.

Every error of Redis is a miss (see the settings of the cache), so nothing
here raises, and nothing here decides: PostgreSQL has the record.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.core.cache import caches

# The promise to clients. PostgreSQL stores the records longer.
STORED_SECONDS = 24 * 60 * 60


class KeyScope(NamedTuple):
    """Which user's key, and for which operation. A refreshed token may retry."""

    user_id: int
    operation: str
    key: str

    def __str__(self) -> str:
        return f"{self.user_id}:{self.operation}:{self.key}"


class StoredAnswer(NamedTuple):
    """The answer given to a key, and the fingerprint of its request."""

    fingerprint: str
    status: int
    body: str


def find(scope: KeyScope) -> StoredAnswer | None:
    found = caches["idempotency"].get(str(scope))
    return StoredAnswer(*found) if found else None


def store(scope: KeyScope, answer: StoredAnswer) -> None:
    caches["idempotency"].set(str(scope), list(answer), STORED_SECONDS)


def forget(scopes: Iterable[KeyScope]) -> None:
    caches["idempotency"].delete_many([str(scope) for scope in scopes])
