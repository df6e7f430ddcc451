"""Prices and totals get a third decimal place, for currencies such as the Kuwaiti dinar.

Amounts do not change. Both tables are rewritten, and locked meanwhile. PostgreSQL does not change
the type of a column that a trigger names, so the trigger is replaced. Reversed, it refuses
amounts that use the third place.
"""

from django.db import migrations

from booking_site.money import AmountField

CHANGE = """
DROP TRIGGER uncount_after_update ON bookings;
ALTER TABLE bookings ALTER COLUMN price TYPE {price};
CREATE TRIGGER uncount_after_update
    AFTER UPDATE OF show_id, order_id, price, cancelled_at ON bookings
    FOR EACH ROW EXECUTE FUNCTION uncount_show();
ALTER TABLE orders ALTER COLUMN total TYPE {total};
"""
REFUSE_THIRD_PLACES = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM bookings WHERE price <> round(price, 2))
       OR EXISTS (SELECT FROM orders WHERE total <> round(total, 2)) THEN
        RAISE EXCEPTION 'Some amounts have three decimal places.';
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("bookings", "0013_canonical_customer_emails")]

    operations = [
        migrations.RunSQL(
            sql=CHANGE.format(price="numeric(9, 3)", total="numeric(11, 3)"),
            reverse_sql=REFUSE_THIRD_PLACES
            + CHANGE.format(price="numeric(8, 2)", total="numeric(10, 2)"),
            state_operations=[
                migrations.AlterField(
                    "booking", "price", AmountField(blank=True, max_digits=9, null=True)
                ),
                migrations.AlterField("order", "total", AmountField(max_digits=11)),
            ],
        ),
    ]
