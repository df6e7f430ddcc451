"""Connections from the pool, looked at before use without a statement.

Django's own check sends an empty statement with every request, which was a
tenth of the cost of the cheap ones. A server that restarts or fails over closes
its connections, and that can be seen on the socket.
"""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        while True:
            connection = super().get_new_connection(conn_params)
            if not self.pool or _is_quiet(connection.fileno()):
                return connection
            connection.close()
            self.pool.putconn(connection)  # which replaces closed ones


def _is_quiet(socket: int) -> bool:
    """Say whether nothing came unasked: the end of the connection, or words before it."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return not poll.poll(0)
