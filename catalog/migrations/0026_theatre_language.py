"""The language of e-mails and tickets for walk-in customers of a theatre."""

from django.db import migrations, models

LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French"), ("es", "Spanish")]


class Migration(migrations.Migration):
    dependencies = [("catalog", "0025_changes_of_shows")]

    operations = [
        migrations.AddField(
            "theatre",
            "language",
            models.CharField(
                choices=LANGUAGES,
                db_default="en",
                default="en",
                help_text="For e-mails and tickets of walk-in customers. They can choose another.",
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            "theatre",
            models.CheckConstraint(
                condition=models.Q(("language__in", ["en", "de", "fr", "es"])),
                name="theatre_language_known",
            ),
        ),
    ]
