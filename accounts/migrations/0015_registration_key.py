"""The hash of the `Idempotency-Key` of a registration, for a day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_removed_users")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="registration_key_hash",
            field=models.CharField(editable=False, max_length=64, null=True),
        ),
    ]
