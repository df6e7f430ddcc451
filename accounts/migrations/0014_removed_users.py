"""Deletes roles, permissions and keys of authenticator apps that removed users have left behind."""

from django.db import migrations

REMOVED = "SELECT id FROM users WHERE email LIKE 'deleted-%@invalid'"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_tasks_by_recipient")]

    operations = [
        migrations.RunSQL(
            sql=f"DELETE FROM {table} WHERE user_id IN ({REMOVED})",
            reverse_sql=migrations.RunSQL.noop,
        )
        for table in ("users_groups", "users_user_permissions", "otp_totp_totpdevice")
    ]
