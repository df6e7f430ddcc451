"""Checks for locks that another connection or process waits for or has."""

import fcntl
import os
from pathlib import Path

from django.db import connection


def somebody_waits_for_me() -> bool:
    """Return whether another connection waits for a lock of this one's transaction.

    Tests that run at the same time wait for other locks.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
            " AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])


def is_unlocked(folder: Path) -> bool:
    """Return whether no embedded server of `folder` runs: each has its lock."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
