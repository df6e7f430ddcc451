"""Moves the counted shows to `reports` and the imported rows to `legacy_import`.

Only the state changes: the first migrations of these apps move the models with their tables,
content types, permissions and audit entries.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bookings", "0009_order_status_of_sold")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("CountedSales"),
                migrations.DeleteModel("CountedShow"),
                migrations.DeleteModel("ImportedRow"),
            ]
        ),
        migrations.AlterModelOptions(
            name="order",
            options={
                "ordering": ("-created_at", "-id"),
                "permissions": (("sell_order", "Can sell, move and cancel at the box office"),),
            },
        ),
    ]
