"""Which state the lists of the catalogue are in."""

from django.db import models


class ListVersion(models.Model):
    """A random value for a table, new with every statement that changes it: plain SQL too.

    Written by a trigger (see the migration) in the transaction of the change,
    so it is seen exactly when the change is.
    """

    table = models.CharField(primary_key=True, max_length=40)
    version = models.UUIDField()

    class Meta:
        db_table = "list_versions"

    def __str__(self) -> str:
        return f"{self.table} {self.version}"
