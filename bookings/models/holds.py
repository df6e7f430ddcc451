"""Holds."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Show


class HoldEnd(models.TextChoices):
    BOOKED = "booked", "Booked"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Hold(models.Model):
    """Seats reserved for one user for a few minutes. Its row is deleted a month after its end.

    `expires_at` and its seats' `held_until` are always written together.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="holds", db_index=False
    )
    show = models.ForeignKey(Show, on_delete=models.CASCADE, related_name="+")
    seat_ids = ArrayField(models.BigIntegerField())
    expires_at = models.DateTimeField()
    max_expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(
        max_length=12, choices=HoldEnd, blank=True, default="", db_default=""
    )

    class Meta:
        db_table = "holds"
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["user", "show"],
                condition=Q(ended_at__isnull=True),
                name="hold_one_live_per_user_and_show",
            ),
            models.CheckConstraint(
                condition=(
                    Q(ended_at__isnull=True, end_reason="")
                    | Q(ended_at__isnull=False, end_reason__in=HoldEnd.values)
                ),
                name="hold_ended_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__lte=models.F("max_expires_at")),
                name="hold_ends_within_its_limit",
            ),
        )
        indexes = (
            models.Index(fields=["user", "show", "-ended_at"], name="hold_by_user_show_and_end"),
            models.Index(
                fields=["expires_at"], condition=Q(ended_at__isnull=True), name="hold_live_by_end"
            ),
            models.Index(
                fields=["end_reason", "expires_at"],
                condition=Q(ended_at__isnull=False),
                name="hold_ended_by_reason",
            ),
        )

    def __str__(self) -> str:
        return f"Hold of {len(self.seat_ids)} seats"
