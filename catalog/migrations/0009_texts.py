from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0008_seat_facts")]

    operations = [
        migrations.AlterField("movie", "duration_minutes", models.PositiveSmallIntegerField(blank=True, help_text="Running time in minutes. Required to plan shows on a screen.", null=True, validators=[MinValueValidator(1)])),
        migrations.AlterField("movie", "run_ends_on", models.DateField(blank=True, help_text="Last business day on which it may be shown; empty: no limit.", null=True, verbose_name="run ends on")),
        migrations.AlterField("show", "language", models.CharField(blank=True, db_default="", default="", help_text="Language of the screening.", max_length=35)),
        migrations.AlterField("show", "sales_close_at", models.DateTimeField(blank=True, help_text="End of online sales; empty: at the start.", null=True)),
        migrations.AlterField("theatre", "staff", models.ManyToManyField(blank=True, db_table="theatre_staff", help_text="Staff of this theatre. They see and sell only the shows of their own theatres.", limit_choices_to={"is_staff": True}, related_name="theatres", to=settings.AUTH_USER_MODEL)),
    ]
