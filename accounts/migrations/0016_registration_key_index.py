"""The index by which the hashes of old registration keys are deleted."""

from django.db import migrations, models

from booking_site.postgres.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    # The index is built while sales continue.
    atomic = False

    dependencies = [("accounts", "0015_registration_key")]

    operations = [
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(
                condition=models.Q(("registration_key_hash__isnull", False)),
                fields=["created_at"],
                name="user_with_registration_key",
            ),
        ),
    ]
