"""Import a venue from the database of the original system."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import django.db
import psycopg
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from booking_site.arguments import at_least_one
from booking_site.money import validate_currency
from catalog.models import Theatre
from legacy_import.report import Report
from legacy_import.run import ImportRunning, Progress, Venue, run_import
from legacy_import.source import TABLES, Source, Unreadable


class Command(BaseCommand):
    help = (
        "Import users, movies, theatres, shows, seats and bookings from a database of the original"
        " system, which is only read. Passwords, seats of bookings, and ids that are still free"
        " stay the same. Run it as often as you like: no row is imported twice, and the next run"
        " continues an interrupted one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("database_url", metavar="DATABASE_URL", help="postgres://…")
        parser.add_argument("--dry-run", action="store_true", help="only report what would happen")
        parser.add_argument(
            "--timezone", default="UTC", help="time zone of its theatres, e.g. Europe/Vienna"
        )
        parser.add_argument("--currency", default="USD", help="currency of its theatres, e.g. EUR")
        parser.add_argument(
            "--venue",
            "--house",
            default="original",
            help="a name, if you import several venues",
        )
        parser.add_argument(
            "--report",
            type=Path,
            metavar="FILE",
            help="list every rejected or adjusted row as CSV; the last line has their number",
        )
        parser.add_argument("--batch", type=at_least_one, default=1000, help="rows per transaction")

    def handle(self, *, database_url: str, dry_run: bool, **options: Any) -> None:
        venue = _venue(options)
        with ExitStack() as stack:
            try:
                source = stack.enter_context(Source(database_url))
                source.require_original()
            except Unreadable as error:
                raise CommandError(str(error)) from error
            # By line, so that even an import that is killed leaves its report.
            cases = options["report"] and stack.enter_context(
                options["report"].open("w", buffering=1)
            )
            report = Report(cases)
            progress = stack.enter_context(_progress(source, quiet=not options["verbosity"]))
            try:
                run_import(
                    source=source,
                    venue=venue,
                    report=report,
                    batch_size=options["batch"],
                    dry_run=dry_run,
                    progress=progress,
                )
            except ImportRunning as error:
                raise CommandError("Another import is running.") from error
            except (django.db.Error, psycopg.Error) as error:
                raise CommandError(f"Interrupted. Run it again to continue: {error}") from error
            finally:
                self.stdout.write("\n".join(report.lines()))
            report.end()
        if dry_run:
            self.stdout.write("This was a dry run: nothing was imported.")


def _venue(options: dict[str, Any]) -> Venue:
    venue = Venue(name=options["venue"], timezone=options["timezone"], currency=options["currency"])
    theatre = Theatre(name="x", timezone=venue.timezone, currency=venue.currency)
    try:
        validate_currency(venue.currency)
        theatre.clean_fields()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return venue


@contextmanager
def _progress(source: Source, *, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar over the rows of all tables, on a terminal."""
    total = sum(source.count(table) for table in TABLES)
    # None disables the bar if the output is not a terminal.
    with tqdm(total=total, unit="row", disable=quiet or None, file=sys.stderr) as bar:

        def show(table: str, rows: int) -> None:
            bar.set_description(table, refresh=False)
            bar.update(rows)

        yield show
