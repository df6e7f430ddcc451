"""Checks the language of orders. Not in one transaction, so that sales continue meanwhile."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from booking_site.postgres.constraints import AddConstraintNotValid


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0018_order_language")]

    operations = [
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("language__in", ["en", "de", "fr", "es"])),
                name="order_language_known",
            ),
        ),
        ValidateConstraint(model_name="order", name="order_language_known"),
    ]
