"""Adds sections to seats, and makes room for them in the names of rows.

The generated column `facts` has to include the section and prevents a change of `row`, so the
table of seats is rewritten, once for all changes and under a lock, like by 0008_seat_facts.
Reversing it fails while there are sections, because their rows have names of more than four
characters.
"""

from django.db import migrations, models
from django.db.models import Q, Value
from django.db.models.functions import Concat

CONSTRAINT = models.CheckConstraint(
    condition=(
        Q(section="") | ~Q(row__contains=" ") | Q(row__startswith=Concat("section", Value(" ")))
    ),
    name="seat_row_in_section",
)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0012_theatre_contact_email")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE seats
                DROP COLUMN facts,
                ALTER COLUMN row TYPE varchar(32),
                ADD COLUMN section varchar(24) NOT NULL DEFAULT '',
                ADD COLUMN facts bigint NOT NULL GENERATED ALWAYS AS (
                    hash_record_extended(
                        ROW(id, row, number, price, category, x, y, section), 0)
                ) STORED,
                ADD CONSTRAINT seat_row_in_section CHECK (
                    section = '' OR strpos(row, ' ') = 0 OR starts_with(row, section || ' ')
                )
            """,
            reverse_sql="""
            ALTER TABLE seats
                DROP CONSTRAINT seat_row_in_section,
                DROP COLUMN facts,
                DROP COLUMN section,
                ALTER COLUMN row TYPE varchar(4),
                ADD COLUMN facts bigint NOT NULL GENERATED ALWAYS AS (
                    hash_record_extended(ROW(id, row, number, price, category, x, y), 0)
                ) STORED
            """,
            state_operations=[
                migrations.AlterField("seat", "row", models.CharField(max_length=32)),
                migrations.AddField(
                    "seat",
                    "section",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=24
                    ),
                ),
                migrations.AddConstraint("seat", CONSTRAINT),
            ],
        ),
    ]
