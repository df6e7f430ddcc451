"""Archive the rooms of past shows, and delete their unsold seats."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from booking_site.arguments import at_least_one
from bookings.services.archiving import archive_rooms


class Command(BaseCommand):
    help = (
        "Store the rooms of shows that ended ARCHIVE_AFTER_DAYS ago, and delete their seats that"
        " nobody booked; with 0, do nothing. Seat maps and reports do not change."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at-most", type=at_least_one, metavar="SHOWS", help="default: all")

    def handle(self, *, at_most: int | None, **options: Any) -> None:
        self.stdout.write(f"Archived {archive_rooms(at_most=at_most)} shows.")
