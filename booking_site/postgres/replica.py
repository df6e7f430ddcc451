"""Lets a standby answer reads that may be slightly stale (REPLICA_URL).

A thread of each web process measures what the replica has: it reads a position in the primary's
write-ahead log, then the position up to which the replica has replayed it. A replica that has
reached the position has all that was committed before the position was read. Only the
monotonic clock of this process is used, so it does not matter if a machine's clock is wrong, if
nothing is written, or if the replica hangs. While the primary is lost, nothing can be measured, and
the replica answers however much it lags. See docs/decisions/0027-reads-from-a-replica.md.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.db.utils import DEFAULT_DB_ALIAS
from django.http import HttpRequest
from prometheus_client import Counter, Gauge
from psycopg.errors import QueryCanceled

from booking_site.postgres.connection import WebConnection, waiting_until
from booking_site.postgres.pipeline import Statement

logger = logging.getLogger(__name__)

T = TypeVar("T")

REPLICA = "replica"
# The cookie that marks a browser that has just written (booking_site.http.middleware).
RECENT_WRITE = "recent_write"
MAX_INTERVAL_SECONDS = 0.25
# The primary is lost if it does not respond for this long. With less, one that is only busy would
# be taken for lost, and reads would be older than promised.
LOST_SECONDS = 2.0
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
    PRIMARY_LOST = "primary_lost"
    NOT_STREAMING = "not_streaming"
    NO_RIGHTS = "no_rights"
    NOT_A_STANDBY = "not_a_standby"
    OTHER_CLUSTER = "other_cluster"


REASONS = {
    State.UNREACHABLE: "It does not respond.",
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
        self._cluster: int | None = None  # the system identifier of the primary
        self._lock = Lock()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the thread unless it runs. A process that was forked has none."""
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = Thread(target=self._run, name="replica-monitor", daemon=True)
                    self._thread.start()

    @property
    def has_primary(self) -> bool:
        """Whether the primary responded to the last measurement."""
        return self.state is not State.PRIMARY_LOST

    def is_usable(self) -> bool:
        """Return whether the server that this thread's connection leads to may be read.

        It needs a proof, but while the primary is lost it need only be a standby of the same
        cluster. Raise `OperationalError` if the replica cannot be reached.
        """
        self.start()
        if not self.has_primary:
            ((cluster, is_standby, *_),) = _REPLICA.rows(using=REPLICA)
            return bool(is_standby and cluster == self._cluster)
        proofs = self._usable_until
        # Connecting takes time, so the clock is read again.
        return _is_future(max(proofs.values(), default=0)) and _is_future(proofs.get(_server(), 0))

    def failed(self, error: Exception) -> None:
        """Use the replica only after it has been measured again."""
        self._usable_until = {}
        logger.info("The primary answers instead of the replica: %s", error)

    def _run(self) -> None:
        pause = Event()
        primary = _Primary()
        while True:
            try:
                self._report(self._measure(primary))
            except PrimaryLost as error:
                self._report(State.PRIMARY_LOST, str(error))
            except (DatabaseError, InterfaceError) as error:
                self._report(State.UNREACHABLE, str(error))
            finally:
                connections.close_all()  # returns them to their pools
            LAG.set(time.monotonic() - self._known_at)
            pause.wait(min(MAX_INTERVAL_SECONDS, settings.REPLICA_MAX_LAG_MS / 4000))

    def _measure(self, primary: "_Primary") -> State:
        """Compare the replica with the primary. Raise `DatabaseError` or `InterfaceError`."""
        now = time.monotonic()
        cluster, timeline, written = primary.position()
        self._cluster = cluster
        if not self.has_primary:
            self._report(State.UNMEASURED)  # at once, as the replica may hang
        self._positions.append((now, timeline, written))
        while self._positions[0][0] < now - MEMORY_SECONDS:
            self._positions.popleft()
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
        """Log a line when either server fails or can be used again. A replica may often lag."""
        was, self.state = self.state, state
        if state == was:
            return
        if state == State.PRIMARY_LOST:
            logger.error("The primary does not respond. The replica serves public reads. %s", error)
        elif was == State.PRIMARY_LOST:
            logger.warning("The primary responds again.")
        elif state in REASONS:
            logger.warning("The replica is not used. %s %s", REASONS[state], error)
        elif was in REASONS:
            logger.warning("The replica can be used again.")


class PrimaryLost(OperationalError):
    """The primary cannot be reached, or does not respond."""


class _Primary:
    """The monitor's own connection to the primary: requests may occupy all those of the pool."""

    def __init__(self) -> None:
        self._session: WebConnection | None = None

    def position(self) -> tuple[int, str, int]:
        """Return the row of `_PRIMARY`. Raise `PrimaryLost`, or another error of the database."""
        while True:
            is_new, began = self._session is None, time.monotonic()
            try:
                return self._ask()
            except OperationalError as error:
                if self._session is not None and not self._session.closed:
                    raise  # the primary has refused the statement
                self._session = None
                if is_new or time.monotonic() > began + LOST_SECONDS:
                    raise PrimaryLost(*error.args) from error
                # An older connection may have been closed by a primary that works.

    def _ask(self) -> tuple[int, str, int]:
        row: tuple[int, str, int]
        with connections[DEFAULT_DB_ALIAS].wrap_database_errors:
            self._session = self._session or _connect(settings.WEB_DATABASE)
            with waiting_until(time.monotonic() + LOST_SECONDS):
                (row,) = self._session.execute(_PRIMARY.compiled.sql)
        return row


monitor = Monitor()


def replica_state() -> State:
    """Connect as web processes do, and return whether the replica can be measured.

    Raise `OperationalError` if the primary or the replica does not respond.
    """
    ((cluster, *_),) = _PRIMARY.rows()
    with (
        connections[DEFAULT_DB_ALIAS].wrap_database_errors,
        _connect(settings.REPLICA_DATABASE or {}) as session,
    ):
        (replica,) = session.execute(_REPLICA.compiled.sql)
    return _obstacle(cluster, *replica) or State.OK


def _connect(address: dict[str, Any]) -> WebConnection:
    """Connect as web processes do, but without their pool."""
    web = connections[DEFAULT_DB_ALIAS].copy()
    web.settings_dict |= address
    return WebConnection.connect(**web.get_connection_params(), autocommit=True)


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
            if monitor.is_usable():
                # The log line of the request counts these statements as well.
                connections[REPLICA].execute_wrappers = connection.execute_wrappers
                return read(REPLICA)
        except (DatabaseError, InterfaceError) as error:
            if isinstance(error.__cause__, QueryCanceled):
                raise  # the statement timeout: it would take as long on the primary
            monitor.failed(error)
        FALLBACKS.inc()
    return read(DEFAULT_DB_ALIAS)


def read_without_primary(request: HttpRequest, read: Callable[[str], T]) -> T:
    """Return what `read` returns for the primary, or for the replica while the primary is lost."""
    return read(DEFAULT_DB_ALIAS) if monitor.has_primary else read_from_replica(request, read)
