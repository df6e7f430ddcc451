"""An index for the list of ended holds in the back office, and a help text."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The index is built beside running sales.
    atomic = False

    dependencies = [
        ('bookings', '0013_back_office_lists'),
    ]

    operations = [
        migrations.AlterField(
            model_name='order',
            name='reference',
            field=models.CharField(help_text='Eight characters that are hard to confuse.', max_length=9),
        ),
        AddIndexConcurrently(
            model_name='hold',
            index=models.Index(condition=models.Q(('ended_at__isnull', False)), fields=['end_reason', 'expires_at'], name='hold_ended_by_reason'),
        ),
    ]
