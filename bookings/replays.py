"""Copies in Redis of the answers given to keys: a fast path, never relied on.

Every error of Redis is a miss, so nothing here raises, and nothing here
decides: PostgreSQL has the record.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from django.core.cache import caches
from redis.exceptions import RedisError

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
    client, name = _place(scope)
    with suppress(RedisError, ValueError, TypeError):
        if found := client.get(name):
            return StoredAnswer(*json.loads(found))
    return None


def store(scope: KeyScope, answer: StoredAnswer) -> None:
    client, name = _place(scope)
    with suppress(RedisError):
        client.set(name, json.dumps(answer), ex=STORED_SECONDS)


def _place(scope: KeyScope) -> tuple[Any, str]:
    """Return the client of the cache, and the name under which the cache finds the copy.

    The cache's own `get` and `set` take the app twice the time of these.
    """
    cache: Any = caches["idempotency"]
    return cache.client.get_client(), cache.client.make_key(str(scope))


def forget(scopes: Iterable[KeyScope]) -> None:
    caches["idempotency"].delete_many([str(scope) for scope in scopes])
