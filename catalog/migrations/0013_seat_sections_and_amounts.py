"""Adds sections to seats, makes room for them in the names of rows, and adds a third decimal place.

Amounts do not change; some currencies, such as the Kuwaiti dinar, need the third place. The
generated column `facts` has to include the section, and prevents a change of `row` and `price`.
Therefore the table of seats is rewritten, once for all changes and under a lock, as in
0008_seat_facts. Reversing it fails while there are sections, because the names of their rows have
more than four characters, and while prices use the third place.
"""

import django.core.validators
from django.db import migrations, models
from django.db.models import Q, Value
from django.db.models.functions import Concat

from booking_site.money import AmountField

CONSTRAINT = models.CheckConstraint(
    condition=(
        Q(section="") | ~Q(row__contains=" ") | Q(row__startswith=Concat("section", Value(" ")))
    ),
    name="seat_row_in_section",
)
# Their prepared statements return the former types of the columns, and fail from now on. Servers of
# old releases do not prepare them again in the same session, but answer 503 once and reconnect.
# While the table is locked, no session can prepare a statement in between.
END_OTHER_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND usename = current_user
   AND backend_type = 'client backend' AND pid <> pg_backend_pid();
"""
REFUSE_THIRD_PLACES = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM {table} WHERE price <> round(price, 2)) THEN
        RAISE EXCEPTION 'Some prices of {table} have three decimal places.';
    END IF;
END $$;
"""
_PRICE = {"max_digits": 9, "validators": [django.core.validators.MinValueValidator(0)]}


class Migration(migrations.Migration):
    # Each table is locked in a transaction of its own.
    atomic = False

    dependencies = [("catalog", "0012_theatre_contact_email")]

    operations = [
        migrations.RunSQL(
            sql="ALTER TABLE price_card_lines ALTER COLUMN price TYPE numeric(9, 3)",
            reverse_sql=REFUSE_THIRD_PLACES.format(table="price_card_lines")
            + "ALTER TABLE price_card_lines ALTER COLUMN price TYPE numeric(8, 2)",
            state_operations=[
                migrations.AlterField("pricecardline", "price", AmountField(**_PRICE)),
            ],
        ),
        migrations.RunSQL(
            sql="""
            -- What an interrupted run has created is created again.
            ALTER TABLE seats
                DROP COLUMN facts,
                DROP CONSTRAINT IF EXISTS seat_row_in_section,
                ALTER COLUMN row TYPE varchar(32),
                ALTER COLUMN price TYPE numeric(9, 3),
                ADD COLUMN IF NOT EXISTS section varchar(24) NOT NULL DEFAULT '',
                ADD COLUMN facts bigint NOT NULL GENERATED ALWAYS AS (
                    hash_record_extended(
                        ROW(id, row, number, price, category, x, y, section), 0)
                ) STORED,
                ADD CONSTRAINT seat_row_in_section CHECK (
                    section = '' OR strpos(row, ' ') = 0 OR starts_with(row, section || ' ')
                );
            """
            + END_OTHER_SESSIONS,
            # Both tables are checked before the first is changed.
            reverse_sql=REFUSE_THIRD_PLACES.format(table="seats")
            + REFUSE_THIRD_PLACES.format(table="price_card_lines")
            + """
            ALTER TABLE seats
                DROP CONSTRAINT seat_row_in_section,
                DROP COLUMN facts,
                DROP COLUMN section,
                ALTER COLUMN row TYPE varchar(4),
                ALTER COLUMN price TYPE numeric(8, 2),
                ADD COLUMN facts bigint NOT NULL GENERATED ALWAYS AS (
                    hash_record_extended(ROW(id, row, number, price, category, x, y), 0)
                ) STORED;
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
                migrations.AlterField("seat", "price", AmountField(**_PRICE)),
            ],
        ),
        migrations.AlterField(
            "theatre",
            "currency",
            models.CharField(
                db_default="USD", default="USD", help_text="ISO 4217 code, e.g. EUR.", max_length=3
            ),
        ),
    ]
