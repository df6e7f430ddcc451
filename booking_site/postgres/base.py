"""Connections from the pool, set up once, and checked before use without a statement.

Django's own check sends an empty statement with every request. A server that restarts or
fails over closes its connections, and that can be seen on the socket.
"""

import select
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from django.db.transaction import TransactionManagementError

from booking_site.postgres import pipeline


class DatabaseWrapper(base.DatabaseWrapper):
    # Sent together with the next COMMIT (`pipeline.execute_with_commit`).
    writes_with_commit: tuple[pipeline.Call, ...] = ()
    # Whether the last connection was given back with nothing to be cleared away.
    _is_clean = False
    _taken: Any = None

    def connect(self) -> None:
        """Take a connection that Django has set up before as it is, unless something went wrong."""
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

    def _take(self) -> Any:
        while True:
            connection = super().get_new_connection({})  # the pool knows where to
            if _is_quiet(connection.fileno()):
                return connection
            connection.close()
            self.pool.putconn(connection)  # which replaces closed ones

    def validate_no_broken_transaction(self) -> None:
        super().validate_no_broken_transaction()
        if self.writes_with_commit:
            raise TransactionManagementError("The last writes of this transaction are given.")

    def _commit(self) -> None:
        """COMMIT, with the last writes of the transaction before it in the same round trip."""
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


def _is_quiet(socket: int) -> bool:
    """Return whether nothing came unasked: the end of the connection, or words before it."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return not poll.poll(0)
