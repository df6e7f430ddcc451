"""Indexes for searching and filtering users, sign-ins and the audit trail in the back office."""

import booking_site.postgres.words
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from booking_site.postgres.indexes import AddIndexConcurrently


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
            field=models.BooleanField(db_default=True, default=True, help_text='Switch off to lock this user out immediately, everywhere.', verbose_name='active'),
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
        AddIndexConcurrently(
            model_name='auditentry',
            index=models.Index(fields=['actor', '-at'], name='audit_by_actor'),
        ),
        AddIndexConcurrently(
            model_name='auditentry',
            index=models.Index(fields=['action', '-at'], name='audit_by_action'),
        ),
        # Drops the index of the foreign key, which audit_by_actor replaces.
        migrations.AlterField(
            model_name='auditentry',
            name='actor',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='audit_entries', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='subject_name',
            field=models.CharField(max_length=300, verbose_name='name of the object'),
        ),
        AddIndexConcurrently(
            model_name='signin',
            index=models.Index(fields=['created_at'], name='sign_in_by_start'),
        ),
        AddIndexConcurrently(
            model_name='signin',
            index=models.Index(condition=models.Q(('ended_at__isnull', False)), fields=['created_at'], name='sign_in_ended'),
        ),
    ]
