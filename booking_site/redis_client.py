"""A Redis client that pauses when Redis does not respond or refuses to write.

Without it, every request would wait for a socket timeout while Redis is down. With it, one
call per period waits, and all others fail immediately.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import redis
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 2.0
# Written before Redis is used again. A Redis that is full can still be read.
PROBE = "site:probe"


class Breaker:
    """Open after a failure; lets one caller through per period to try again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_open = False
        self._next_try = 0.0

    def admits(self) -> bool:
        """Return whether the caller may call Redis; while open, one caller per period may."""
        if not self.is_open:
            return True
        with self._lock:
            if time.monotonic() < self._next_try:
                return False
            self._next_try = time.monotonic() + PERIOD_SECONDS
            return True

    def failed(self, error: Exception) -> None:
        with self._lock:
            self._next_try = time.monotonic() + PERIOD_SECONDS
            was_open, self.is_open = self.is_open, True
        if not was_open:  # one line per outage, not one per request
            logger.warning(
                "Redis does not respond or refuses to write; continuing without it: %s", error
            )

    def succeeded(self) -> None:
        if not self.is_open:
            return
        with self._lock:
            self.is_open = False
        logger.warning("Redis responds again.")


breaker = Breaker()


class BreakerRedis(redis.Redis):
    """`redis.Redis` behind the process's breaker; while it is open, every call fails at once."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self._guarded(partial(super().execute_command, *args, **options))

    def execute_commands(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Execute the commands in one round trip, and return their replies."""
        pipeline = self.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        replies: list[Any] = self._guarded(pipeline.execute)
        return replies

    def _guarded(self, call: Callable[[], Any]) -> Any:
        if not breaker.admits():
            raise RedisConnectionError("Redis did not respond a moment ago.")
        try:
            if breaker.is_open:
                super().execute_command("SET", PROBE, "", "EX", 1)  # type: ignore[no-untyped-call]
            answer = call()
        except (RedisConnectionError, RedisTimeoutError) as error:
            breaker.failed(error)
            raise
        except (ResponseError, DataError) as error:
            if not _is_fault_of_call(error):
                breaker.failed(error)
            raise
        except Exception as error:  # raised by the parser: the server is not Redis
            breaker.failed(error)
            raise RedisConnectionError("This is not a reply of Redis.") from error
        breaker.succeeded()
        return answer


def _is_fault_of_call(error: Exception) -> bool:
    """Return whether Redis would accept other calls.

    The other errors are those of a server that is full (OOM), a replica (READONLY, MASTERDOWN),
    or may not write at the moment (MISCONF, NOREPLICAS, NOPERM).
    """
    code = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    return isinstance(error, DataError) or code in ("ERR", "WRONGTYPE")


class Cache(RedisCache[DefaultClient]):  # type: ignore[misc] # untyped
    """A cache without the methods that raise while Redis is down, in spite of IGNORE_EXCEPTIONS."""

    def _refuse(self, *args: Any, **options: Any) -> NoReturn:
        raise NotImplementedError("It would raise while Redis is down. Locks are PostgreSQL's.")

    touch = ttl = pttl = persist = expire = expire_at = pexpire = pexpire_at = lock = _refuse
    iter_keys = hset = hdel = hlen = hkeys = hexists = _refuse
    sadd = srem = smove = spop = scard = sismember = smismember = smembers = srandmember = _refuse
    sscan = sscan_iter = sdiff = sdiffstore = sinter = sinterstore = sunion = sunionstore = _refuse
    zadd = zrem = zincrby = zpopmax = zpopmin = zcard = zcount = zrank = zscore = _refuse
    zrange = zrevrange = zrangebyscore = zrevrangebyscore = zremrangebyscore = _refuse


class CacheClient(DefaultClient):  # type: ignore[misc] # untyped
    """The caches' client, for which a value that is not JSON is a miss."""

    def get(self, key: str, default: Any = None, **options: Any) -> Any:
        try:
            return super().get(key, default, **options)
        except (ValueError, RecursionError):
            return default
