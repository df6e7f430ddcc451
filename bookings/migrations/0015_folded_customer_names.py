"""The search of walk-in customers ignores accents, apostrophes and hyphens."""

import django.contrib.postgres.indexes
from django.db import migrations, models

import booking_site.postgres.words
from booking_site.postgres.indexes import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    # The index is built while sales continue.
    atomic = False

    dependencies = [
        ("accounts", "0008_fold_text"),
        ("bookings", "0014_three_decimals"),
    ]

    operations = [
        AddIndexConcurrently(
            "order",
            django.contrib.postgres.indexes.GinIndex(
                booking_site.postgres.words.FoldedWords("customer_name"),
                condition=models.Q(channel="box_office"),
                name="order_by_folded_name",
            ),
        ),
        RemoveIndexConcurrently("order", "order_by_words_of_name"),
    ]
