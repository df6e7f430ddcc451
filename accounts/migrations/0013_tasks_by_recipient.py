"""Indexes of the task queue by the user and the address of an e-mail.

They are partial, so that other tasks cost nothing. `mails_about` and the limits on e-mails search
them. Keys of authenticator apps that nobody has confirmed are deleted: sessions hold such keys now.
"""

from django.db import migrations


def by_argument(index: str, path: str) -> migrations.RunSQL:
    """Index the tasks that have this argument. Repeatable: an interrupted run leaves an index."""
    argument = f"(args_kwargs #> '{{kwargs,{path}}}')"
    return migrations.RunSQL(
        sql=[
            f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
            f"CREATE INDEX CONCURRENTLY {index} ON django_tasks_database_dbtaskresult"
            f" ({argument}) WHERE {argument} IS NOT NULL",
        ],
        reverse_sql=f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
    )


class Migration(migrations.Migration):
    # The indexes are built while sales continue.
    atomic = False

    dependencies = [
        ("accounts", "0012_guessed_accounts"),
        ("django_tasks_database", "0021_conditional_partial_index_ordering"),
        ("otp_totp", "0003_add_timestamps"),
    ]

    operations = [
        by_argument("task_by_user", "user_id"),
        by_argument("task_by_email", "email"),
        migrations.RunSQL(
            sql="DELETE FROM otp_totp_totpdevice WHERE NOT confirmed",
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
