"""End expired holds."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from booking_site.arguments import at_least_one
from bookings import services


class Command(BaseCommand):
    help = (
        "End expired holds, in batches, beside live traffic. This is tidying up only: the seats of"
        " an expired hold are available anyway."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=at_least_one, default=500, help="holds per transaction")

    def handle(self, *, batch: int, **options: Any) -> None:
        total = 0
        while count := services.release_expired_holds(batch=batch):
            total += count
        self.stdout.write(f"Ended {total} expired holds.")
