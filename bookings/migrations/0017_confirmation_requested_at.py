"""When staff requested a confirmation, and more attempts before it is given up."""

from django.db import migrations, models

# Confirmations that the previous release has given up, after 8 attempts, stay given up.
GIVEN_UP = """
UPDATE orders SET confirmation_attempts = 60
 WHERE confirmation_due_at IS NOT NULL AND confirmation_attempts >= 8
"""


class Migration(migrations.Migration):
    dependencies = [("bookings", "0016_tasks_by_booking")]

    operations = [
        migrations.AddField(
            "order",
            "confirmation_requested_at",
            models.DateTimeField(
                null=True,
                blank=True,
                help_text="When staff requested this confirmation; empty for that of the sale.",
            ),
        ),
        migrations.RunSQL(GIVEN_UP, migrations.RunSQL.noop),
    ]
