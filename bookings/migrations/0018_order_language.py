"""The language of an order's e-mails and tickets; that of existing orders is English."""

from django.db import migrations, models

LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French"), ("es", "Spanish")]


class Migration(migrations.Migration):
    dependencies = [("bookings", "0017_confirmation_requested_at")]

    operations = [
        migrations.AddField(
            "order",
            "language",
            models.CharField(
                choices=LANGUAGES,
                db_default="en",
                default="en",
                help_text="The language of e-mails and tickets.",
                max_length=8,
            ),
        ),
    ]
