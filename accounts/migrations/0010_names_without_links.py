"""Only the forms change. `manage.py doctor texts_visible` lists stored names with links."""

from django.db import migrations

import booking_site.typed_text


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_folded_words")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="name",
            field=booking_site.typed_text.LineField(
                max_length=200, validators=[booking_site.typed_text.refuse_link]
            ),
        ),
    ]
