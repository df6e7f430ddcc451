"""Delete idempotency records whose clients no longer retry."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from booking_site.arguments import at_least_one
from bookings.services.housekeeping import RECORD_RETENTION, purge_idempotency_records


class Command(BaseCommand):
    help = f"Delete idempotency records older than {RECORD_RETENTION.days} days, in batches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--batch", type=at_least_one, default=1000, help="records per transaction"
        )

    def handle(self, *, batch: int, **options: Any) -> None:
        total = 0
        while count := purge_idempotency_records(batch=batch):
            total += count
        self.stdout.write(f"Deleted {total} records.")
