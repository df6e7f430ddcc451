"""The last hold is the one that ended last, so that is what its index sorts by."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Holds go on being made while the index is: the table keeps every hold there ever was.
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
