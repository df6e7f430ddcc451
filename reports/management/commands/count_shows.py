"""Count the sales of past shows for the reports."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from booking_site.arguments import at_least_one
from reports.summaries import count_shows


class Command(BaseCommand):
    help = (
        "Count the sales of past shows, in batches; safe beside live traffic. It only makes reports"
        " faster: they count shows themselves that have not been counted yet."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=at_least_one, default=500, help="shows per transaction")
        parser.add_argument(
            "--timeout", type=float, default=10, help="seconds to wait for older transactions"
        )

    def handle(self, *, batch: int, timeout: float, **options: Any) -> None:
        total = 0
        while count := count_shows(batch=batch, timeout=timeout):
            total += count
        self.stdout.write(f"Counted {total} shows.")
