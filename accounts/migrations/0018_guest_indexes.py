"""The indexes of guests, and the check of their constraint for stored users."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from booking_site.postgres.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    # The indexes are built while sales continue.
    atomic = False

    dependencies = [("accounts", "0017_guests")]

    operations = [
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(
                condition=Q(contact_email__isnull=False),
                fields=["contact_email"],
                name="user_by_contact_email",
                opclasses=["varchar_pattern_ops"],
            ),
        ),
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(
                condition=Q(contact_email__isnull=False),
                fields=["created_at"],
                name="user_guest_by_creation",
            ),
        ),
        ValidateConstraint(model_name="user", name="user_guest_has_contact_email"),
    ]
