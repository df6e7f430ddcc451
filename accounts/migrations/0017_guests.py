"""Guests: users without a password, with the address to which their e-mails go.

`manage.py doctor constraints_in_place` reports users inserted by plain SQL whose e-mail address is
that of a guest: correct it, and migrate again.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q, Value
from django.db.models.functions import Cast, Concat

import booking_site.email_address

GUEST_EMAIL = Concat(Value("guest-"), Cast("id", models.CharField()), Value("@invalid"))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0016_registration_key_index")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="contact_email",
            field=booking_site.email_address.CanonicalEmailField(
                max_length=254, null=True, verbose_name="e-mail of the guest"
            ),
        ),
        AddConstraintNotValid(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=Q(~Q(email=GUEST_EMAIL), contact_email__isnull=True)
                | Q(
                    email=GUEST_EMAIL,
                    contact_email__isnull=False,
                    is_staff=False,
                    is_superuser=False,
                ),
                name="user_guest_has_contact_email",
            ),
        ),
    ]
