"""Django's `migrate`, which waits for locks in short attempts, so that the site can go on."""

from time import sleep
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

# While a change of a table waits for a long reader, all later queries of the table wait behind it.
# This is shorter than LOCK_TIMEOUT_MS, after which they would get 503.
LOCK_TIMEOUT = "1s"
PAUSE_SECONDS = 5.0
ATTEMPTS = 120
OLDEST_TRANSACTIONS = """
    SELECT format('pid %s (%s, since %s)', pid, usename, xact_start::timestamp(0))
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
     ORDER BY xact_start
     LIMIT 3
"""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with connections[options["database"]].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
            try:
                for _ in range(ATTEMPTS):
                    try:
                        super().handle(*args, **options)
                        return
                    except OperationalError as error:
                        if not isinstance(error.__cause__, LockNotAvailable):
                            raise
                    cursor.execute(OLDEST_TRANSACTIONS)
                    oldest = ", ".join(text for (text,) in cursor)
                    self.stderr.write(f"Waiting for a lock. The oldest transactions: {oldest}")
                    sleep(PAUSE_SECONDS)
            finally:
                cursor.execute("RESET lock_timeout")
        raise CommandError("The lock was not available. Run migrate again to continue.")
