"""Triggers that delete a show's counted figures in the transaction that changes them.

Each function deletes the row of each changed show by its key. A show on sale has no such row, so
a sale only searches an index and waits for nobody.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bookings", "0006_counted_shows")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE counted_shows ADD CONSTRAINT counted_show_of_show
                FOREIGN KEY (show_id) REFERENCES shows (id) ON DELETE CASCADE;
            ALTER TABLE counted_sales ADD CONSTRAINT counted_sales_of_counted_show
                FOREIGN KEY (show_id) REFERENCES counted_shows (show_id) ON DELETE CASCADE;

            -- After a statement that wrote bookings or seats: `changed` are its rows.
            CREATE FUNCTION uncount_changed_shows() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE
                changed_show bigint;
            BEGIN
                -- One at a time: this is an index's look even when the planner knows no better.
                FOR changed_show IN SELECT DISTINCT show_id FROM changed LOOP
                    DELETE FROM counted_shows WHERE show_id = changed_show;
                END LOOP;
                RETURN NULL;
            END $$;

            CREATE FUNCTION uncount_show() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                DELETE FROM counted_shows WHERE show_id IN (OLD.show_id, NEW.show_id);
                RETURN NULL;
            END $$;

            CREATE TRIGGER uncount_after_insert AFTER INSERT ON bookings
                REFERENCING NEW TABLE AS changed
                FOR EACH STATEMENT EXECUTE FUNCTION uncount_changed_shows();
            CREATE TRIGGER uncount_after_delete AFTER DELETE ON bookings
                REFERENCING OLD TABLE AS changed
                FOR EACH STATEMENT EXECUTE FUNCTION uncount_changed_shows();
            CREATE TRIGGER uncount_after_update
                AFTER UPDATE OF show_id, order_id, price, cancelled_at ON bookings
                FOR EACH ROW EXECUTE FUNCTION uncount_show();

            CREATE TRIGGER uncount_after_update AFTER UPDATE OF show_id, channel, currency ON orders
                FOR EACH ROW EXECUTE FUNCTION uncount_show();

            CREATE TRIGGER uncount_after_insert AFTER INSERT ON seats
                REFERENCING NEW TABLE AS changed
                FOR EACH STATEMENT EXECUTE FUNCTION uncount_changed_shows();
            CREATE TRIGGER uncount_after_delete AFTER DELETE ON seats
                REFERENCING OLD TABLE AS changed
                FOR EACH STATEMENT EXECUTE FUNCTION uncount_changed_shows();
            -- A sale changes seats, too, but not how many of them are for sale.
            CREATE TRIGGER uncount_after_update AFTER UPDATE OF show_id, status ON seats
                FOR EACH ROW
                WHEN ((OLD.status = 'blocked') <> (NEW.status = 'blocked')
                      OR OLD.show_id <> NEW.show_id)
                EXECUTE FUNCTION uncount_show();
            """,
            reverse_sql="""
            DROP TRIGGER uncount_after_update ON seats;
            DROP TRIGGER uncount_after_delete ON seats;
            DROP TRIGGER uncount_after_insert ON seats;
            DROP TRIGGER uncount_after_update ON orders;
            DROP TRIGGER uncount_after_update ON bookings;
            DROP TRIGGER uncount_after_delete ON bookings;
            DROP TRIGGER uncount_after_insert ON bookings;
            DROP FUNCTION uncount_show();
            DROP FUNCTION uncount_changed_shows();
            ALTER TABLE counted_sales DROP CONSTRAINT counted_sales_of_counted_show;
            ALTER TABLE counted_shows DROP CONSTRAINT counted_show_of_show;
            """,
        ),
    ]
