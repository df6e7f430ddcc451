"""Adds a generated column: a hash of what a seat map shows of a seat besides its state.

When these hashes change, the seat map is drawn again (bookings/seat_map.py). No model has the
column, because nothing else reads it. This rewrites the table of seats, which takes about a
minute for ten million rows.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0007_show_lists")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE seats ADD COLUMN facts bigint NOT NULL GENERATED ALWAYS AS (
                hash_record_extended(ROW(id, row, number, price, category, x, y), 0)
            ) STORED
            """,
            reverse_sql="ALTER TABLE seats DROP COLUMN facts",
        ),
    ]
