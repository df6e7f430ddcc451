"""Adds the hash of the archived seats, so that a layout keeps its fingerprint when it is archived.

Rooms that are already archived get 0, so their layouts get a new fingerprint once.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0020_removed_users")]

    operations = [
        migrations.AddField(
            model_name="archivedroom",
            name="seats_hash",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="The bitwise XOR of `facts` of the seats whose rows have been deleted;"
                " 0 in rooms archived before this column existed.",
            ),
        ),
    ]
