"""A booking's seat and order belong to the booking's show: foreign keys over both columns."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bookings", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE bookings ADD CONSTRAINT booking_seat_in_show
                FOREIGN KEY (seat_id, show_id) REFERENCES seats (id, show_id)
                DEFERRABLE INITIALLY IMMEDIATE;
            ALTER TABLE bookings ADD CONSTRAINT booking_order_in_show
                FOREIGN KEY (order_id, show_id) REFERENCES orders (id, show_id)
                DEFERRABLE INITIALLY IMMEDIATE;
            """,
            reverse_sql="""
            ALTER TABLE bookings DROP CONSTRAINT booking_order_in_show;
            ALTER TABLE bookings DROP CONSTRAINT booking_seat_in_show;
            """,
        ),
    ]
