"""Caches the answers to idempotency keys in Redis, to answer retries faster.

Values are signed for their key. An error of Redis counts as a miss, and so does a value that this
site did not write for that key, so nothing here raises. `bookings.idempotency` returns a copy to a
client only if PostgreSQL has its record.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import caches
from django.core.signing import BadSignature, Signer
from redis.exceptions import RedisError

from catalog.seat_changes import publish_command

# As promised to clients. PostgreSQL stores the records longer.
STORED_SECONDS = 24 * 60 * 60


class KeyScope(NamedTuple):
    """A key of a user for an operation. It does not depend on the token, which may be refreshed."""

    user_id: int
    operation: str
    key: str

    def __str__(self) -> str:
        return f"{self.user_id}:{self.operation}:{self.key}"


class StoredAnswer(NamedTuple):
    """The answer to a key, the fingerprint of its request, and when its record was created."""

    fingerprint: str
    status: int
    body: str
    created_at: datetime


def find(scope: KeyScope) -> StoredAnswer | None:
    client, name = _place(scope)
    # TypeError and ValueError: another release may store other fields.
    with suppress(RedisError, BadSignature, TypeError, ValueError):
        if found := client.execute_command("GET", name):
            *answer, created_at = json.loads(_signer(scope).unsign(found.decode()))
            return StoredAnswer._make([*answer, datetime.fromisoformat(created_at)])
    return None


def store(scope: KeyScope, answer: StoredAnswer, *, show_id: int) -> None:
    """Store the answer, and publish in the same round trip that seats of the show have changed."""
    client, name = _place(scope)
    with suppress(RedisError):
        value = _signer(scope).sign(json.dumps(answer, default=str))
        command = ("SET", name, value, "EX", STORED_SECONDS)
        if settings.LIVE_URL:
            client.execute_commands(command, publish_command(show_id))
        else:
            client.execute_command(*command)


def _signer(scope: KeyScope) -> Signer:
    return Signer(salt=f"replay:{scope}")


def _place(scope: KeyScope) -> tuple[Any, str]:
    """Return the Redis client of the cache, and the name of the copy there.

    Calling the client directly is faster than the cache's `get` and `set`.
    """
    cache: Any = caches["idempotency"]
    return cache.client.get_client(), cache.client.make_key(str(scope))


def forget(scopes: Iterable[KeyScope]) -> None:
    caches["idempotency"].delete_many([str(scope) for scope in scopes])
