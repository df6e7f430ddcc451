"""Adds constraints in migrations while sales continue."""

from typing import Any

from django.contrib.postgres import operations


class AddConstraintNotValid(operations.AddConstraintNotValid):
    """Can be repeated after an interruption."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        table = to_state.apps.get_model(app_label, self.model_name)._meta.db_table
        schema_editor.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {self.constraint.name}"
        )
        super().database_forwards(app_label, schema_editor, from_state, to_state)
