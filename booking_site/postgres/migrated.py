"""Whether the database has every migration of this release."""

from threading import Event

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

MIGRATED = Event()  # once set, it stays set: nobody reverses migrations under a running server


def is_migrated() -> bool:
    """Return whether every migration is applied; once it is, without a query.

    Raise `DatabaseError`.
    """
    if not MIGRATED.is_set():
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            MIGRATED.set()
    return MIGRATED.is_set()
