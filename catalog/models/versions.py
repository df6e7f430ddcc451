"""Versions of the tables behind cached lists."""

from django.db import models


class ListVersion(models.Model):
    """A random value for each table, replaced by every statement that changes the table.

    A trigger (see the migration) writes it in the transaction of the change, so both become
    visible at once, also for plain SQL.
    """

    table = models.CharField(primary_key=True, max_length=40)
    version = models.UUIDField()

    class Meta:
        db_table = "list_versions"

    def __str__(self) -> str:
        return f"{self.table} {self.version}"
