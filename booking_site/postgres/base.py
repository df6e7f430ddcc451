"""Takes connections from the pool without sending a statement to check or set them up.

Django's own check sends an empty statement per request. But when a server restarts or fails over,
it closes its connections, which libpq sees when it reads what has arrived.
"""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from django.db.transaction import TransactionManagementError

from booking_site.postgres import pipeline, sessions
from booking_site.postgres.connection import seconds_left


class DatabaseWrapper(base.DatabaseWrapper):
    # Sent together with COMMIT (`pipeline.execute_with_commit`).
    writes_with_commit: tuple[pipeline.Call, ...] = ()
    # Whether the last connection was returned without an error or an open transaction.
    _is_clean = False
    _taken: Any = None

    def connect(self) -> None:
        """Take a connection. Skip Django's setup if it was done and the last use ended cleanly."""
        self.writes_with_commit = ()
        if self._is_clean and self.pool:
            taken = self._take()
            if getattr(taken, "is_set_up", False):
                self.connection = taken
                return
            self._taken = taken
        super().connect()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.pool:
            return super().get_new_connection(conn_params)
        taken, self._taken = self._taken, None
        return taken or self._take()

    def init_connection_state(self) -> None:
        try:
            super().init_connection_state()
        except Exception:
            # Otherwise the next statement would use a connection that was refused.
            self.close()
            raise

    def _configure_connection(self, connection: Any) -> bool:
        """Set up a new connection, which the pool or this wrapper has opened."""
        sessions.configure(connection)
        commit: bool = super()._configure_connection(connection)  # type: ignore[misc] # see below
        return commit

    def _take(self) -> Any:
        self.pool.open()
        while True:
            connection = self.pool.getconn(seconds_left(self.pool.timeout))
            if not _has_ended(connection):
                return connection
            connection.close()
            self.pool.putconn(connection)  # the pool replaces closed connections

    def set_autocommit(self, autocommit: bool, *arguments: Any, **options: Any) -> None:
        """Do not connect again at the end of a transaction whose connection was lost.

        The response would have to wait for the new connection.
        """
        if autocommit and self.connection is None:
            self.autocommit = True
        else:
            super().set_autocommit(autocommit, *arguments, **options)

    def validate_no_broken_transaction(self) -> None:
        super().validate_no_broken_transaction()
        if self.writes_with_commit:
            raise TransactionManagementError(
                "No statement can follow the last writes of a transaction."
            )

    def _commit(self) -> None:
        """Send the last writes of the transaction and COMMIT in one round trip."""
        writes, self.writes_with_commit = self.writes_with_commit, ()
        if self.connection is not None:
            with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
                pipeline.commit(self, writes)

    def _rollback(self) -> None:
        self.writes_with_commit = ()
        super()._rollback()  # type: ignore[misc] # unknown to the stubs

    def _close(self) -> None:
        went_wrong = self.in_atomic_block or self.needs_rollback or self.errors_occurred
        self._is_clean = self.autocommit and not went_wrong
        if self.pool and self.connection is not None:
            self.connection.is_set_up = self._is_clean
        super()._close()  # type: ignore[misc] # unknown to the stubs


def _has_ended(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the server has closed the connection."""
    try:
        for _ in range(2):  # the reason that the server gave, and the end behind it
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False
