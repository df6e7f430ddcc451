"""The address that replies to e-mails about a theatre's shows go to."""

import booking_site.email_address
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0011_show_planned_utc_offset")]

    operations = [
        migrations.AddField("theatre", "contact_email", booking_site.email_address.CanonicalEmailField(blank=True, db_default="", default="", help_text="Replies to e-mails about this theatre's shows go to this address.", max_length=254, verbose_name="contact e-mail")),
        migrations.AddConstraint("theatre", models.CheckConstraint(condition=models.Q(("contact_email", ""), ("contact_email__regex", r"^[!-~]+@[!-~]+$"), _connector="OR"), name="theatre_contact_email_ascii")),
    ]
