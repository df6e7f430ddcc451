"""The rows of the original system that were imported."""

from django.db import models


class ImportedRow(models.Model):
    """Maps a row of the original system to ours; written in the same transaction as our row."""

    # The column keeps its former name.
    venue = models.CharField(max_length=80, db_column="house")
    kind = models.CharField(max_length=12, help_text="The table, which has the same name in both.")
    original_id = models.BigIntegerField()
    own_id = models.BigIntegerField()

    class Meta:
        db_table = "imported_rows"
        constraints = (
            models.UniqueConstraint(
                fields=["venue", "kind", "original_id"], name="imported_row_taken_once"
            ),
            models.UniqueConstraint(fields=["kind", "own_id"], name="imported_row_became_one"),
        )

    def __str__(self) -> str:
        return f"{self.venue}: {self.kind} {self.original_id}"
