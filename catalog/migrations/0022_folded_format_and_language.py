"""Indexes for the filters of shows by format and language."""

from django.db import migrations, models

from booking_site.postgres.indexes import AddIndexConcurrently
from booking_site.postgres.words import folded


class Migration(migrations.Migration):
    # The indexes are built while sales continue.
    atomic = False

    dependencies = [
        ("accounts", "0009_folded_words"),  # the function fold_text
        ("catalog", "0021_archived_seats_hash"),
    ]

    operations = [
        AddIndexConcurrently(
            "show",
            models.Index(
                folded(field),
                "start_time",
                "id",
                condition=models.Q(status="open"),
                name=f"show_by_folded_{field}",
            ),
        )
        for field in ("format", "language")
    ]
