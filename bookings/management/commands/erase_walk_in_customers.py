"""Erase names and addresses of walk-in customers and guests after WALK_IN_RETENTION_DAYS."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from booking_site.arguments import at_least_one
from bookings.services.guests import close_old_guests
from bookings.walk_in_customers import erase_old_customers


class Command(BaseCommand):
    help = (
        "Erase the names and e-mail addresses of walk-in customers and guests whose last show"
        " started more than WALK_IN_RETENTION_DAYS ago, in batches; with 0, erase nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--batch", type=at_least_one, default=1000, help="orders per transaction"
        )

    def handle(self, *, batch: int, **options: Any) -> None:
        total = 0
        while count := erase_old_customers(batch=batch):
            total += count
        self.stdout.write(f"Erased the customers of {total} orders.")
        self.stdout.write(f"Erased {close_old_guests()} guests.")
