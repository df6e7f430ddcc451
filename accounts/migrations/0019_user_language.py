"""The language of e-mails about an account."""

from django.db import migrations, models

LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French"), ("es", "Spanish")]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0018_guest_indexes")]

    operations = [
        migrations.AddField(
            "user",
            "language",
            models.CharField(
                choices=LANGUAGES,
                db_default="en",
                default="en",
                help_text="The language of e-mails about the account.",
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            "user",
            models.CheckConstraint(
                condition=models.Q(("language__in", ["en", "de", "fr", "es"])),
                name="user_language_known",
            ),
        ),
    ]
