"""Updates queued tasks, which name their function: `cancel_orders` has moved to another module."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0010_models_of_other_apps"),
        ("django_tasks_database", "0001_initial"),
    ]

    operations = [
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
