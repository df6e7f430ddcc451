"""Indexes for the lists of orders and bookings in the back office and for the counter's search."""

import booking_site.postgres.words
import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The indexes are built beside running sales.
    atomic = False

    dependencies = [
        ('bookings', '0012_fewer_indexes'),
        ('catalog', '0008_seat_facts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
    ]
