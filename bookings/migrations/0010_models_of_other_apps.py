"""Moves the counted shows to `reports` and the imported rows to `legacy_import`.

Only the state changes: the first migrations of these apps move the models with their tables,
content types, permissions and audit entries.

Also updates queued tasks, which name their function: `cancel_orders` has moved to another module.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0009_order_status_of_sold"),
        ("django_tasks_database", "0001_initial"),
    ]

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
        migrations.RunSQL(
            """
            UPDATE django_tasks_database_dbtaskresult
               SET task_path = 'bookings.show_changes.cancelling.cancel_orders'
             WHERE task_path = 'bookings.services.cancelling_shows.cancel_orders';
            """,
            """
            UPDATE django_tasks_database_dbtaskresult
               SET task_path = 'bookings.services.cancelling_shows.cancel_orders'
             WHERE task_path = 'bookings.show_changes.cancelling.cancel_orders';
            """,
        ),
    ]
