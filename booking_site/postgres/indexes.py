"""Builds and drops indexes in migrations while sales continue.

These operations can be repeated after an interruption. They may wait for older transactions as
long as necessary, because no query of the site waits for them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres import operations
from django.db.migrations.operations.base import Operation


class AddIndexConcurrently(operations.AddIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _without_lock_timeout(schema_editor):
            if not _is_valid(schema_editor, self.index.name):
                super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _without_lock_timeout(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class RemoveIndexConcurrently(operations.RemoveIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _without_lock_timeout(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _without_lock_timeout(schema_editor):
            if not _is_valid(schema_editor, self.name):
                super().database_backwards(app_label, schema_editor, from_state, to_state)


class CreateIndexConcurrently(Operation):
    """Creates an index that no model declares, e.g. `on="orders (show_id, id)"`."""

    def __init__(self, name: str, on: str, *, unique: bool = False) -> None:
        self.name, self.on, self.unique = name, on, unique

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The state has no such index."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _without_lock_timeout(schema_editor):
            if not _is_valid(schema_editor, self.name):
                kind = "UNIQUE INDEX" if self.unique else "INDEX"
                schema_editor.execute(f"CREATE {kind} CONCURRENTLY {self.name} ON {self.on}")

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _without_lock_timeout(schema_editor):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}")


class DropIndexConcurrently(CreateIndexConcurrently):
    """Drops an index that no model declares; reversed, it creates it."""

    database_forwards = CreateIndexConcurrently.database_backwards
    database_backwards = CreateIndexConcurrently.database_forwards


@contextmanager
def _without_lock_timeout(schema_editor: Any) -> Iterator[None]:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (limit,) = cursor.fetchone()
        cursor.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [limit])


def _is_valid(schema_editor: Any, index: str) -> bool:
    """Return whether the index exists. Drop the invalid one that an interruption leaves behind."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index]
        )
        found = cursor.fetchone()
        if found == (False,):
            cursor.execute(f"DROP INDEX CONCURRENTLY {index}")
    return bool(found == (True,))
