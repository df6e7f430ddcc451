"""Connections from the pool, set up once and looked at before use without a statement.

Django's own check sends an empty statement with every request, which was a
tenth of the cost of the cheap ones. A server that restarts or fails over closes
its connections, and that can be seen on the socket.
"""

import select
from typing import Any

from django.db.backends.postgresql import base

from booking_site.postgres.statements import forget_ahead


class DatabaseWrapper(base.DatabaseWrapper):
    # Whether the last connection was given back with nothing to be cleared away.
    _is_clean = False
    _taken: Any = None

    def connect(self) -> None:
        """Take a connection that Django has set up before as it is, unless something went wrong.

        To set it up again with every request took longer than all that the pool does.
        """
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

    def create_cursor(self, name: str | None = None) -> Any:
        forget_ahead(self.connection)
        return super().create_cursor(name)

    def _close(self) -> None:
        went_wrong = self.in_atomic_block or self.needs_rollback or self.errors_occurred
        self._is_clean = self.autocommit and not went_wrong
        if self.pool and self.connection is not None:
            self.connection.is_set_up = self._is_clean
        super()._close()  # type: ignore[misc] # unknown to the stubs


def _is_quiet(socket: int) -> bool:
    """Say whether nothing came unasked: the end of the connection, or words before it."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return not poll.poll(0)
