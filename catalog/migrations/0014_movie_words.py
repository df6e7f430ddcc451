"""The words that a search of movies reads.

The table of movies is small: it is rewritten under its lock, which takes 1 to 3 seconds for ten
thousand movies.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

import booking_site.postgres.words


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_fold_text"),
        ("catalog", "0013_seat_sections_and_amounts"),
    ]

    operations = [
        migrations.AddField(
            "movie",
            "words",
            models.GeneratedField(
                db_persist=True,
                expression=booking_site.postgres.words.FoldedWords("title", "description"),
                output_field=django.contrib.postgres.search.SearchVectorField(),
            ),
        ),
        migrations.AddIndex(
            "movie",
            django.contrib.postgres.indexes.GinIndex(fields=["words"], name="movie_by_words"),
        ),
    ]
