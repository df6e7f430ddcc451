"""Delete rows past their retention, such as expired sessions."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.services import delete_registration_keys
from booking_site.arguments import at_least_one
from bookings.services.guests import close_abandoned_guests
from bookings.services.housekeeping import delete_old_rows


class Command(BaseCommand):
    help = (
        "Delete, in batches, expired sessions of the back office, sign-ins that expired 90 days"
        " ago, holds and refused overlaps of 30 days ago, known addresses without a login in 90"
        " days, failed logins and hashes of registration keys of a day ago, and audit entries"
        " older than AUDIT_RETENTION_DAYS. Erase guests who have bought nothing in a week."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=at_least_one, default=1000, help="rows per transaction")

    def handle(self, *, batch: int, **options: Any) -> None:
        for table, count in delete_old_rows(batch=batch).items():
            self.stdout.write(f"Deleted {count} rows of {table}.")
        keys = delete_registration_keys(batch=batch)
        self.stdout.write(f"Deleted the hashes of {keys} registration keys.")
        self.stdout.write(f"Erased {close_abandoned_guests()} guests without a purchase.")
