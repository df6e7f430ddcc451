"""Rewrite the e-mail addresses of accounts in their canonical spelling."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.email_spellings import canonicalize_emails
from accounts.models import User


class Command(BaseCommand):
    help = (
        "Rewrite e-mail addresses of accounts in lower case, with their domain in ASCII, and list"
        " those that staff have to change: invalid ones, and two spellings of one address."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only list what would change")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        with transaction.atomic(durable=True):
            for line in canonicalize_emails(User.objects.all(), dry_run=dry_run):
                self.stdout.write(line)
