"""Idempotency records."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class IdempotencyRecord(models.Model):
    """The response to a request with an idempotency key, committed together with its effect.

    `body` is the exact text of the response. A JSON column would reorder it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    operation = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_records"
        constraints = (
            models.UniqueConstraint(
                fields=["user", "operation", "key"], name="idempotency_one_per_key"
            ),
        )

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"
