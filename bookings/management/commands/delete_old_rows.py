"""Delete sessions, sign-ins, holds, refused overlaps and audit entries that are old."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from booking_site.arguments import at_least_one
from bookings.services.housekeeping import delete_old_rows


class Command(BaseCommand):
    help = (
        "Delete expired sessions of the back office, sign-ins that expired 90 days ago, holds and"
        " refused overlaps of 30 days ago, and audit entries older than AUDIT_RETENTION_DAYS, in"
        " batches."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=at_least_one, default=1000, help="rows per transaction")

    def handle(self, *, batch: int, **options: Any) -> None:
        for table, count in delete_old_rows(batch=batch).items():
            self.stdout.write(f"Deleted {count} rows of {table}.")
