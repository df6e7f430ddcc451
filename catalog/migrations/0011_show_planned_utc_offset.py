"""The offset from UTC that a show was planned with, which is unknown for stored shows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0010_typed_texts")]

    operations = [
        migrations.AddField(
            model_name="show",
            name="planned_utc_offset",
            field=models.DurationField(
                editable=False,
                help_text="The offset from UTC at the start, when the show was planned. Empty for a"
                " show inserted by plain SQL.",
                null=True,
            ),
        ),
    ]
