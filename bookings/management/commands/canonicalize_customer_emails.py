"""Rewrite the e-mail addresses of walk-in customers in their canonical spelling."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bookings.customer_emails import canonicalize_customer_emails
from bookings.models import Order


class Command(BaseCommand):
    help = (
        "Rewrite e-mail addresses of walk-in customers in lower case, with their domain in ASCII,"
        " and list the invalid ones, which staff have to correct."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only list what would change")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        for line in canonicalize_customer_emails(Order.objects.all(), dry_run=dry_run):
            self.stdout.write(line)
