"""Tasks name their function, so those that wait to cancel a show's orders get its new module."""

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
