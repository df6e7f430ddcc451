"""Keys by which movies, theatres, screens and price cards are sorted.

Columns without a value are added without rewriting a table. The tables are small; a key takes about
0.02 ms. Rows that a server of the previous release writes meanwhile get theirs from the worker.
"""

from typing import Any

from django.db import migrations

from booking_site.postgres.sort_keys import SortKeyField, store_missing_sort_keys

SOURCES = {"movie": "title", "theatre": "name", "screen": "name", "pricecard": "name"}
TABLES = {"movies": "title", "theatres": "name", "screens": "name", "price_cards": "name"}


def store(apps: Any, schema_editor: Any) -> None:
    for name in SOURCES:
        store_missing_sort_keys(apps.get_model("catalog", name))


class Migration(migrations.Migration):
    dependencies = [("catalog", "0014_movie_words")]

    operations = [
        *(
            migrations.AddField(model, "sort_key", SortKeyField(source=source))
            for model, source in SOURCES.items()
        ),
        migrations.RunSQL(
            """
            CREATE FUNCTION forget_sort_key() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                NEW.sort_key := NULL;
                RETURN NEW;
            END $$
            """,
            "DROP FUNCTION forget_sort_key()",
        ),
        *(
            migrations.RunSQL(
                f"""
                CREATE TRIGGER {table}_forget_sort_key BEFORE UPDATE OF {column} ON {table}
                FOR EACH ROW
                WHEN (NEW.{column} <> OLD.{column}
                      AND NEW.sort_key IS NOT DISTINCT FROM OLD.sort_key)
                EXECUTE FUNCTION forget_sort_key()
                """,
                f"DROP TRIGGER {table}_forget_sort_key ON {table}",
            )
            for table, column in TABLES.items()
        ),
        migrations.RunPython(store, migrations.RunPython.noop),
        *(
            migrations.AlterModelOptions(model, options)
            for model, options in {
                "movie": {"ordering": ("sort_key", "title", "id")},
                "theatre": {
                    "ordering": ("sort_key", "name", "id"),
                    "permissions": (("work_everywhere", "Can work in every theatre"),),
                },
                "screen": {"ordering": ("theatre", "sort_key", "name")},
                "pricecard": {"ordering": ("sort_key", "name")},
            }.items()
        ),
    ]
