"""Keys by which movies, theatres, screens and price cards are sorted.

Columns without a value are added without rewriting a table. The next migration stores the keys.
"""

from django.db import migrations

from booking_site.postgres.sort_keys import SortKeyField

SOURCES = {"movie": "title", "theatre": "name", "screen": "name", "pricecard": "name"}
TABLES = {"movies": "title", "theatres": "name", "screens": "name", "price_cards": "name"}


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
