"""Refuses times of shows that Python cannot represent in every time zone, such as infinity.

A single one of them would make the lists of shows fail.
"""

from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models.functions import Greatest, Least
from django.db.models.lookups import GreaterThanOrEqual, LessThan

TIMES = ("start_time", "end_time", "occupied_until", "sales_open_at", "sales_close_at")


class Migration(migrations.Migration):
    dependencies = [("catalog", "0026_theatre_language")]

    operations = [
        migrations.AddConstraint(
            "show",
            models.CheckConstraint(
                condition=models.Q(
                    GreaterThanOrEqual(Least(*TIMES), datetime(2, 1, 1, tzinfo=UTC))
                )
                & models.Q(LessThan(Greatest(*TIMES), datetime(9999, 12, 31, tzinfo=UTC))),
                name="show_times_in_range",
                violation_error_message="Enter times from the year 2 to the year 9998.",
            ),
        ),
    ]
