"""A number for what a seat map tells of a seat beside its state, made as the seat is written.

A seat map is drawn anew when these numbers have changed (bookings/seat_map.py). No model
has the column: nothing else looks at it. The table of seats is written anew here, which
takes a minute or so for ten million.
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
