"""Prices and totals get a third decimal place, for currencies such as the Kuwaiti dinar.

Amounts do not change. Each table is rewritten under its lock, in a transaction of its own. PostgreSQL
does not change the type of a column that a trigger names, so the trigger is replaced. Reversed, it
refuses amounts that use the third place.
"""

from django.db import migrations

from booking_site.money import AmountField

CHANGE_TOTAL = "ALTER TABLE orders ALTER COLUMN total TYPE {type};"
CHANGE_PRICE = """
DROP TRIGGER uncount_after_update ON bookings;
ALTER TABLE bookings ALTER COLUMN price TYPE {type};
CREATE TRIGGER uncount_after_update
    AFTER UPDATE OF show_id, order_id, price, cancelled_at ON bookings
    FOR EACH ROW EXECUTE FUNCTION uncount_show();
"""
REFUSE_THIRD_PLACES = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM {table} WHERE {column} <> round({column}, 2)) THEN
        RAISE EXCEPTION 'Some amounts of {table} have three decimal places.';
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    # A sale locks both tables, so locking one and then the other could be a deadlock.
    atomic = False

    dependencies = [("bookings", "0013_canonical_customer_emails")]

    operations = [
        migrations.RunSQL(
            sql=CHANGE_TOTAL.format(type="numeric(11, 3)"),
            reverse_sql=REFUSE_THIRD_PLACES.format(table="orders", column="total")
            + CHANGE_TOTAL.format(type="numeric(10, 2)"),
            state_operations=[
                migrations.AlterField("order", "total", AmountField(max_digits=11)),
            ],
        ),
        migrations.RunSQL(
            sql=CHANGE_PRICE.format(type="numeric(9, 3)"),
            # Both tables are checked before the first is changed.
            reverse_sql=REFUSE_THIRD_PLACES.format(table="bookings", column="price")
            + REFUSE_THIRD_PLACES.format(table="orders", column="total")
            + CHANGE_PRICE.format(type="numeric(8, 2)"),
            state_operations=[
                migrations.AlterField(
                    "booking", "price", AmountField(blank=True, max_digits=9, null=True)
                ),
            ],
        ),
    ]
