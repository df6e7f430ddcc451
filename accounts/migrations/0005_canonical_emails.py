"""One spelling for every e-mail address.

Run `manage.py canonicalize_emails --dry-run` first to see what it changes, and what staff have to
change.
"""

import sys

import booking_site.email_address
from django.db import migrations

from accounts.email_spellings import canonicalize_emails


def canonicalize(apps, schema_editor):
    users = apps.get_model("accounts", "User")._default_manager.using(schema_editor.connection.alias)
    for line in canonicalize_emails(users.all()):
        print(f"    {line}", file=sys.stderr)


class Migration(migrations.Migration):
    # Each account is locked only while it is rewritten.
    atomic = False

    dependencies = [
        ("accounts", "0004_search"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="email",
            field=booking_site.email_address.CanonicalEmailField(
                error_messages={"unique": "There is already an account with this e-mail address."},
                max_length=254,
                unique=True,
            ),
        ),
        migrations.RunPython(canonicalize, migrations.RunPython.noop, elidable=True),
    ]
