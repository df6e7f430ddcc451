"""Set the password of a user on a console, for staff who cannot reset it by e-mail."""

from getpass import getuser
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from accounts.models import User
from accounts.services import finish_password_change


class Command(changepassword.Command):
    """Django's command, after which all tokens are revoked and the owner gets an e-mail."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        message = super().handle(*args, **options)
        with transaction.atomic(durable=True):
            finish_password_change(User.objects.get(email=options["username"] or getuser()))
        return message
