"""Counted sales get a third decimal place, for currencies such as the Kuwaiti dinar."""

from django.db import migrations

from booking_site.money import AmountField


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial")]

    operations = [
        migrations.AlterField("countedsales", "gross", AmountField(max_digits=13)),
    ]
