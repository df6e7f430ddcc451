"""Indexes for searching users and the audit trail in the back office."""

import booking_site.postgres.words
import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The indexes are built beside running sales.
    atomic = False

    dependencies = [
        ('accounts', '0003_audit_entries'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='user',
            options={'ordering': ('email',), 'verbose_name': 'user'},
        ),
        migrations.AlterField(
            model_name='user',
            name='is_active',
            field=models.BooleanField(db_default=True, default=True, help_text='Clear to lock this user out immediately, everywhere.', verbose_name='active'),
        ),
        AddIndexConcurrently(
            model_name='auditentry',
            index=django.contrib.postgres.indexes.GinIndex(booking_site.postgres.words.Words('action', 'subject_name'), name='audit_by_words'),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=django.contrib.postgres.indexes.GinIndex(booking_site.postgres.words.Words('name'), name='user_by_words_of_name'),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(condition=models.Q(('is_staff', True)), fields=['email'], name='user_staff'),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(condition=models.Q(('is_active', False)), fields=['email'], name='user_inactive'),
        ),
    ]
