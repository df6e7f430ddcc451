"""How the site connects to PostgreSQL."""

from typing import Any, TypeVar

import psycopg
from django.conf import settings
from psycopg import abc, pq

T = TypeVar("T")


def postgres_database(address: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the database at an address, which `env.db` has read from its URL."""
    return address | {
        "ENGINE": "booking_site.postgres",
        # Seconds for each host; without it, libpq waits for a host that hangs indefinitely.
        "OPTIONS": {"connect_timeout": 2}
        | address.get("OPTIONS", {})
        | {
            "server_side_binding": True,
            # The statements of booking_site.postgres.pipeline are planned once per connection.
            # psycopg must not prepare any: after a rollback it deallocates all of them.
            "prepare_threshold": None,
        },
    }


class WebConnection(psycopg.Connection[Any]):
    """Stops waiting for PostgreSQL one second after the statement timeout, and closes itself.

    PostgreSQL does not apply that timeout to a COMMIT that waits for a synchronous standby, and
    cannot apply it while its process is suspended. The transaction may still be committed later.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._seconds = settings.STATEMENT_TIMEOUT_MS / 1000 + 1

    def wait(self, gen: abc.PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, timeout or self._seconds)
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
