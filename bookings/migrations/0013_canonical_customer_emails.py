"""One spelling for the e-mail addresses of walk-in customers, as for those of accounts.

Run `manage.py canonicalize_customer_emails --dry-run` first to see what it changes, and what staff
have to change.
"""

import sys

from django.db import migrations

from bookings.customer_emails import canonicalize_customer_emails


def canonicalize(apps, schema_editor):
    orders = apps.get_model("bookings", "Order").objects.using(schema_editor.connection.alias)
    for line in canonicalize_customer_emails(orders.all()):
        print(f"    {line}", file=sys.stderr)


class Migration(migrations.Migration):
    # Each order is locked only while it is rewritten.
    atomic = False

    dependencies = [("bookings", "0012_back_office_lists")]

    operations = [migrations.RunPython(canonicalize, migrations.RunPython.noop, elidable=True)]
