"""How the site connects to PostgreSQL."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import psycopg
from django.conf import settings
from environ import Env
from psycopg import abc, pq, waiting

from booking_site.environment import CONNECT_SECONDS

T = TypeVar("T")

# When this thread stops waiting for PostgreSQL, by `time.monotonic`.
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


# Options of libpq. Without them, it waits indefinitely for a machine that was lost or cut off and
# so sends neither responses nor errors.
_LIMITS = {
    "connect_timeout": CONNECT_SECONDS,
    # The system closes a connection whose peer has been silent for 10 seconds, also an idle one.
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 5,
    "tcp_user_timeout": 10_000,  # milliseconds
}

# A working replica responds to the monitor (booking_site.postgres.replica) at least twice in this
# time.
SILENCE_SECONDS = 0.6


def postgres_database(address: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the database at an address, which `env.db` has read from its URL."""
    return address | {
        "ENGINE": "booking_site.postgres",
        "OPTIONS": _LIMITS
        | address.get("OPTIONS", {})
        | {
            "server_side_binding": True,
            # The statements of booking_site.postgres.pipeline are planned once per connection.
            # psycopg must not prepare any: after a rollback it deallocates all of them.
            "prepare_threshold": None,
        },
    }


@contextmanager
def waiting_until(deadline: float) -> Iterator[None]:
    """End every wait of a web process for PostgreSQL by the deadline, or that of an outer block.

    The deadline is in seconds of `time.monotonic`.
    """
    token = _deadline.set(min(deadline, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left(limit: float) -> float:
    """Return how long to wait: until the deadline, but `limit` seconds at most."""
    return max(0.0, min(limit, _deadline.get() - time.monotonic()))


class WebConnection(psycopg.Connection[Any]):
    """Stops waiting for PostgreSQL at the deadline, and closes itself.

    Without a deadline, it waits until one second after the statement timeout. PostgreSQL does not
    apply that timeout to a COMMIT that waits for a synchronous standby, and cannot apply it while
    its process is suspended. The transaction may still be committed later.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._seconds = settings.STATEMENT_TIMEOUT_MS / 1000 + 1

    def wait(self, gen: abc.PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, seconds_left(timeout or self._seconds))
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                # Otherwise the next statement would get the result of this one.
                self.close()
            raise


# Options of the pool of a web process. Connections are checked before use (booking_site.postgres),
# so that no request fails because PostgreSQL has restarted.
POOL: dict[str, Any] = {
    "connection_class": WebConnection,
    # The pauses between attempts to connect double up to this limit. With the default of five
    # minutes, requests would go on failing long after an outage.
    "reconnect_timeout": 2.0,
}


class ReplicaConnection(WebConnection):
    """Also stops waiting when no connection of this process has received anything for 0.6 seconds.

    A report may take seconds on a replica that responds, but nothing waits for one that hangs.
    """

    last_received: ClassVar[float] = 0.0
    # When the server started that this connection leads to (booking_site.postgres.replica).
    server: datetime | None = None

    def wait(self, gen: abc.PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(_until_silence(gen), interval, timeout)


def _until_silence(gen: abc.PQGen[T]) -> abc.PQGen[T]:
    began = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready & waiting.READY_R:
                ReplicaConnection.last_received = time.monotonic()
            elif time.monotonic() - max(began, ReplicaConnection.last_received) > SILENCE_SECONDS:
                raise psycopg.OperationalError("The replica does not respond.")
            wanted = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


def replica_database(env: Env) -> dict[str, Any] | None:
    """Return the settings of the replica, or None if there is none."""
    return postgres_database(env.db("REPLICA_URL")) if env("REPLICA_URL", default="") else None


def web_databases(
    env: Env, primary: dict[str, Any], replica: dict[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Return the settings of Django's databases for web processes, with pools of connections."""
    pool = POOL | {
        "min_size": env.int("DATABASE_POOL_MIN", default=1),
        "max_size": env.int("DATABASE_POOL_MAX", default=8),
        # More than it takes to connect to the second of two hosts.
        "timeout": env.float("DATABASE_POOL_TIMEOUT_SECONDS", default=5.0),
    }
    databases = {"default": _pooled(primary, pool)}
    if replica:
        # After the timeout, the primary answers.
        own = {"connection_class": ReplicaConnection, "timeout": 0.5}
        databases["replica"] = _pooled(replica, pool | own)
    return databases


def _pooled(database: dict[str, Any], pool: dict[str, Any]) -> dict[str, Any]:
    return database | {
        "OPTIONS": database["OPTIONS"] | {"pool": pool},
        # Outside a transaction, their cursors belong to a session, which a pooler may share.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
