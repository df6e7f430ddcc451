"""To act at the moment when somebody else waits for a lock."""

from django.db import connection


def somebody_waits_for_me() -> bool:
    """Tell whether another connection waits for a lock of this one's transaction.

    Other tests may run beside this one, and wait for locks of their own.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
            " AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])
