"""Deletes theatres that removed users have left behind."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0019_archived_rooms"),
        ("accounts", "0014_removed_users"),
    ]

    operations = [
        migrations.RunSQL(
            sql="""
                DELETE FROM theatre_staff
                 WHERE user_id IN (SELECT id FROM users WHERE email LIKE 'deleted-%@invalid')
            """,
            reverse_sql=migrations.RunSQL.noop,
        )
    ]
