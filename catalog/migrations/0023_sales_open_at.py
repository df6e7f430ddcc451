"""Adds the start of online sales, and the lowest price of each category of an archived room."""

import django.db.models.functions.comparison
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("catalog", "0022_folded_format_and_language")]

    operations = [
        migrations.AddField(
            "show",
            "sales_open_at",
            models.DateTimeField(
                blank=True, help_text="Start of online sales; empty: at once.", null=True
            ),
        ),
        migrations.AddConstraint(
            "show",
            models.CheckConstraint(
                condition=Q(sales_open_at__isnull=True)
                | Q(
                    sales_open_at__lt=django.db.models.functions.comparison.Least(
                        "start_time", "sales_close_at"
                    )
                ),
                name="show_sales_open_before_end",
            ),
        ),
        migrations.AddField(
            "archivedroom",
            "lowest_prices",
            models.JSONField(
                db_default={},
                default=dict,
                help_text="By category, as strings: of the available seats whose rows have been"
                " deleted.",
            ),
        ),
    ]
