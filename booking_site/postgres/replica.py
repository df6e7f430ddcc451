"""Lets a standby answer reads that may be slightly stale (REPLICA_URL).

A thread of each web process measures what the replica has: it reads a position in the primary's
write-ahead log, then the position up to which the replica has replayed it. A replica that has
reached the position has all that was committed before the position was read. Only the
monotonic clock of this process is used, so it does not matter if a machine's clock is wrong, if
nothing is written, or if the replica hangs. See docs/decisions/0027-reads-from-a-replica.md.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from threading import Event, Lock, Thread
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.utils import DEFAULT_DB_ALIAS
from django.http import HttpRequest
from prometheus_client import Counter, Gauge
from psycopg.errors import QueryCanceled

from booking_site.postgres.connection import WebConnection
from booking_site.postgres.pipeline import Statement

logger = logging.getLogger(__name__)

T = TypeVar("T")

REPLICA = "replica"
# The cookie that marks a browser that has just written (booking_site.http.middleware).
RECENT_WRITE = "recent_write"
MAX_INTERVAL_SECONDS = 0.25
# How long positions are remembered. A longer lag is only known to be longer than this.
MEMORY_SECONDS = 60.0

LAG = Gauge(
    "booking_replica_lag_seconds",
    "How old the newest data is that the replica is known to have.",
    multiprocess_mode="livemax",
)
FALLBACKS = Counter(
    "booking_replica_fallbacks", "Reads that the primary answered because the replica could not."
)

_PRIMARY = Statement("""
    SELECT system_identifier, left(pg_walfile_name(lsn), 8), (lsn - '0/0')::bigint
      FROM pg_control_system(), pg_current_wal_flush_lsn() AS lsn
""")
# The timeline changes in a failover. A standby that does not follow the new primary may have
# replayed something else up to the same position.
_REPLICA = Statement("""
    SELECT system_identifier, pg_is_in_recovery(), pg_has_role('pg_read_all_stats', 'usage'),
           (SELECT upper(lpad(to_hex(received_tli), 8, '0')) FROM pg_stat_wal_receiver),
           (pg_last_wal_replay_lsn() - '0/0')::bigint
      FROM pg_control_system()
""")
_STARTED = Statement("SELECT pg_postmaster_start_time()")


class State(StrEnum):
    """Whether the replica answers reads, or why not."""

    OK = "ok"
    UNMEASURED = "unmeasured"
    LAGGING = "lagging"
    UNREACHABLE = "unreachable"
    NOT_STREAMING = "not_streaming"
    NO_RIGHTS = "no_rights"
    NOT_A_STANDBY = "not_a_standby"
    OTHER_CLUSTER = "other_cluster"


REASONS = {
    State.UNREACHABLE: "It or the primary does not respond.",
    State.NOT_STREAMING: "It receives nothing from the primary.",
    State.NO_RIGHTS: "Its role must see what it receives: GRANT pg_read_all_stats TO the role.",
    State.NOT_A_STANDBY: "REPLICA_URL leads to a server that is not a standby.",
    State.OTHER_CLUSTER: "REPLICA_URL leads to a standby of another database cluster.",
}


class Monitor:
    """Measures the replica regularly, in a thread of this process."""

    def __init__(self) -> None:
        self.state = State.UNMEASURED
        # Until when a server may be read, by the time it started. Each proof is for one server:
        # REPLICA_URL may lead to several, and one that restarts replays again what it had replayed.
        self._usable_until: dict[datetime, float] = {}
        # When the primary was asked for its position: its timeline and the bytes written in all.
        self._positions: deque[tuple[float, str, int]] = deque()
        self._known_at = time.monotonic()  # the replica has what was committed before
        self._lock = Lock()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the thread unless it runs. A process that was forked has none."""
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = Thread(target=self._run, name="replica-monitor", daemon=True)
                    self._thread.start()

    def is_fresh(self) -> bool:
        """Return whether the server that this thread's connection leads to may be read.

        Raise `OperationalError` if there is no connection.
        """
        self.start()
        proofs = self._usable_until
        # Connecting takes time, so the clock is read again.
        return _is_future(max(proofs.values(), default=0)) and _is_future(proofs.get(_server(), 0))

    def failed(self, error: Exception) -> None:
        """Use the replica only after it has been measured again."""
        self._usable_until = {}
        logger.info("The primary answers instead of the replica: %s", error)

    def _run(self) -> None:
        pause = Event()
        while True:
            try:
                self._report(self._measure())
            except (DatabaseError, InterfaceError) as error:
                self._report(State.UNREACHABLE, str(error))
            finally:
                connections.close_all()  # returns them to their pools
            LAG.set(time.monotonic() - self._known_at)
            pause.wait(min(MAX_INTERVAL_SECONDS, settings.REPLICA_MAX_LAG_MS / 4000))

    def _measure(self) -> State:
        """Compare the replica with the primary. Raise `DatabaseError` or `InterfaceError`."""
        now = time.monotonic()
        ((cluster, timeline, written),) = _PRIMARY.rows()
        self._positions.append((now, timeline, written))
        while self._positions[0][0] < now - MEMORY_SECONDS:
            self._positions.popleft()
        connection.close()  # to the primary: a request may need it while the replica hangs
        (replica,) = _REPLICA.rows(using=REPLICA)
        if obstacle := _obstacle(cluster, *replica):
            self._usable_until = {}
            return obstacle
        *_, followed, replayed = replica
        reached = [
            asked_at
            for asked_at, timeline, written in self._positions
            if timeline == followed and written <= replayed
        ]
        if not reached:
            return State.LAGGING
        self._known_at = reached[-1]
        until = self._known_at + settings.REPLICA_MAX_LAG_MS / 1000
        if until < time.monotonic():
            return State.LAGGING
        current = {server: end for server, end in self._usable_until.items() if end > now}
        self._usable_until = current | {_server(): until}
        return State.OK

    def _report(self, state: State, error: str = "") -> None:
        """Log a line when the replica can be used again, or not. A replica may often lag."""
        was, self.state = self.state, state
        if state in REASONS and state != was:
            logger.warning("The replica is not used. %s %s", REASONS[state], error)
        elif was in REASONS and state not in REASONS:
            logger.warning("The replica can be used again.")


monitor = Monitor()


def replica_state() -> State:
    """Connect as web processes do, and return whether the replica can be measured.

    Raise `OperationalError` if the primary or the replica does not respond.
    """
    ((cluster, *_),) = _PRIMARY.rows()
    web = connections[DEFAULT_DB_ALIAS].copy()
    web.settings_dict.update(settings.REPLICA_DATABASE or {})
    with (
        web.wrap_database_errors,
        WebConnection.connect(**web.get_connection_params(), autocommit=True) as session,
    ):
        (replica,) = session.execute(_REPLICA.compiled.sql)
    return _obstacle(cluster, *replica) or State.OK


def _obstacle(
    cluster: int,
    replica_cluster: int,
    is_standby: bool,
    sees_receiver: bool,
    timeline: str | None,
    replayed: int | None,
) -> State | None:
    """Return why the replica cannot be measured, from the row of `_REPLICA`."""
    if replica_cluster != cluster:
        return State.OTHER_CLUSTER
    if not is_standby:
        return State.NOT_A_STANDBY
    if not sees_receiver:
        return State.NO_RIGHTS
    return State.NOT_STREAMING if timeline is None else None


def _is_future(moment: float) -> bool:
    return time.monotonic() < moment


def _server() -> datetime:
    """Return when the server started that this thread's connection to the replica leads to."""
    replica = connections[REPLICA]
    replica.ensure_connection()
    session = replica.connection
    if session.server is None:
        ((session.server,),) = _STARTED.rows(using=REPLICA)
    started: datetime = session.server
    return started


def may_be_stale(request: HttpRequest) -> bool:
    """Return whether the response may leave out the latest writes.

    Clients that write send a token, and browsers of staff a cookie.
    """
    return (
        request.method in ("GET", "HEAD")
        and "HTTP_AUTHORIZATION" not in request.META
        and RECENT_WRITE not in request.COOKIES
        and not connection.in_atomic_block
    )


def read_from_replica(request: HttpRequest, read: Callable[[str], T]) -> T:
    """Return what `read` returns for a database: the replica if it may answer, else the primary.

    Nothing that decides about a write may call this.
    """
    if REPLICA in settings.DATABASES and may_be_stale(request):
        try:
            if monitor.is_fresh():
                # The log line of the request counts these statements as well.
                connections[REPLICA].execute_wrappers = connection.execute_wrappers
                return read(REPLICA)
        except (DatabaseError, InterfaceError) as error:
            if isinstance(error.__cause__, QueryCanceled):
                raise  # the statement timeout: it would take as long on the primary
            monitor.failed(error)
        FALLBACKS.inc()
    return read(DEFAULT_DB_ALIAS)
