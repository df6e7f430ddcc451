"""Sorts the index of holds by their end: the last hold is the one that ended last."""

from django.db import migrations, models

from booking_site.postgres.indexes import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    # Concurrently, because the table has every hold ever made, and new ones are made meanwhile.
    atomic = False
    dependencies = [("bookings", "0004_sales_permissions")]

    operations = [
        AddIndexConcurrently(
            model_name="hold",
            index=models.Index(
                fields=["user", "show", "-ended_at"], name="hold_by_user_show_and_end"
            ),
        ),
        RemoveIndexConcurrently(model_name="hold", name="hold_by_user_and_show"),
    ]
