"""Rows that record when they were created and last changed."""

from typing import Any, TypeVar

from django.db import models
from django.db.models.functions import Now

M = TypeVar("M", bound=models.Model)


class TimestampedQuerySet(models.QuerySet[M]):
    def update(self, **values: Any) -> int:
        """Set `updated_at` as well, which `auto_now` does only in `save()`."""
        return super().update(**{"updated_at": Now(), **values})


class Timestamped(models.Model):
    """The model's manager comes from `TimestampedQuerySet`."""

    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        abstract = True
