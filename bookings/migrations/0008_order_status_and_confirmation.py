"""An order's status is stored, and the order is the outbox of its confirmation mail."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bookings", "0007_uncount_shows")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="status",
            field=models.CharField(
                choices=[
                    ("confirmed", "Confirmed"),
                    ("partially_cancelled", "Partially cancelled"),
                    ("cancelled", "Cancelled"),
                ],
                db_default="confirmed",
                default="confirmed",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="confirmation_due_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="confirmation_sent_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="confirmation_attempts",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="order",
            name="confirmation_number",
            field=models.SmallIntegerField(
                db_default=1,
                default=1,
                help_text="Counts the confirmations of this order, part of each Message-ID.",
            ),
        ),
    ]
