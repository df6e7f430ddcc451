"""Indexes for the lists of sales in the back office and the box office's search; a help text."""

import booking_site.postgres.words
import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from booking_site.postgres.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    # The indexes are built beside running sales.
    atomic = False

    dependencies = [
        ('bookings', '0011_fewer_indexes'),
        ('catalog', '0008_seat_facts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='order',
            name='reference',
            field=models.CharField(help_text='Eight characters that are hard to confuse.', max_length=9),
        ),
        AddIndexConcurrently(
            model_name='booking',
            index=models.Index(condition=models.Q(('cancelled_at__isnull', False)), fields=['id'], name='booking_cancelled'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('channel', 'box_office')), fields=['id'], name='order_of_box_office'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=django.contrib.postgres.indexes.GinIndex(booking_site.postgres.words.Words('customer_name'), condition=models.Q(('channel', 'box_office')), name='order_by_words_of_name'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(django.db.models.functions.text.Upper('customer_email'), condition=models.Q(('channel', 'box_office')), name='order_by_customer_email'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('status', 'confirmed'), _negated=True), fields=['status', 'id'], name='order_not_confirmed'),
        ),
        AddIndexConcurrently(
            model_name='hold',
            index=models.Index(condition=models.Q(('ended_at__isnull', False)), fields=['end_reason', 'expires_at'], name='hold_ended_by_reason'),
        ),
    ]
