"""An index of the task queue by the first booking of an e-mail, which `mails_about` searches."""

from django.db import migrations

BOOKING = "(args_kwargs #> '{kwargs,booking_ids,0}')"


class Migration(migrations.Migration):
    # The index is built while sales continue.
    atomic = False

    dependencies = [
        ("bookings", "0015_folded_customer_names"),
        ("django_tasks_database", "0021_conditional_partial_index_ordering"),
    ]

    operations = [
        migrations.RunSQL(
            # Repeatable: an interrupted run leaves an index.
            sql=[
                "DROP INDEX CONCURRENTLY IF EXISTS task_by_booking",
                "CREATE INDEX CONCURRENTLY task_by_booking ON django_tasks_database_dbtaskresult"
                f" ({BOOKING}) WHERE {BOOKING} IS NOT NULL",
            ],
            reverse_sql="DROP INDEX CONCURRENTLY IF EXISTS task_by_booking",
        )
    ]
