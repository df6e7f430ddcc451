"""Take a running house over from the original system."""

import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from booking_site.arguments import at_least_one
from bookings.moving_in import AlreadyMoving, House, Report, Source, Unreadable, take_over
from bookings.moving_in.source import TABLES
from catalog.models import Theatre


class Command(BaseCommand):
    help = (
        "Take users, movies, theatres, shows, seats and bookings over from a database of the"
        " original system, which is only read. Users keep their passwords, bookings their seats,"
        " rows their ids where these are free. Repeat it as often as you like: nothing is taken"
        " twice, and an interrupted run goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("database_url", metavar="DATABASE_URL", help="postgres://…")
        parser.add_argument("--dry-run", action="store_true", help="only report what would happen")
        parser.add_argument("--timezone", default="UTC", help="of its theatres, e.g. Europe/Vienna")
        parser.add_argument("--currency", default="USD", help="of its theatres, e.g. EUR")
        parser.add_argument(
            "--house", default="original", help="a name, when several houses move in"
        )
        parser.add_argument("--report", type=Path, metavar="FILE", help="write every case as CSV")
        parser.add_argument("--batch", type=at_least_one, default=1000, help="rows per transaction")

    def handle(self, *, database_url: str, dry_run: bool, **options: Any) -> None:
        house = _house(options)
        with ExitStack() as stack:
            try:
                source = stack.enter_context(Source(database_url))
                source.require_original()
            except Unreadable as error:
                raise CommandError(str(error)) from error
            cases = options["report"] and stack.enter_context(options["report"].open("w"))
            report = Report(cases)
            bars = _Bars(source, quiet=not options["verbosity"])
            stack.callback(bars.close)
            try:
                take_over(
                    source=source,
                    house=house,
                    report=report,
                    batch_size=options["batch"],
                    rehearsal=dry_run,
                    progress=bars.move,
                )
            except AlreadyMoving as error:
                raise CommandError("Another import is running.") from error
        self.stdout.write("\n".join(report.lines()))
        if dry_run:
            self.stdout.write("This was a rehearsal: nothing was taken.")


def _house(options: dict[str, Any]) -> House:
    house = House(name=options["house"], timezone=options["timezone"], currency=options["currency"])
    theatre = Theatre(name="x", timezone=house.timezone, currency=house.currency)
    try:
        theatre.clean_fields()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return house


class _Bars:
    """One progress bar for each table, made when its first rows are done."""

    def __init__(self, source: Source, *, quiet: bool) -> None:
        self._totals = {table: source.count(table) for table in TABLES}
        self._disable = True if quiet else None  # None: off unless it is a terminal
        self._bars: dict[str, tqdm[Any]] = {}

    def move(self, table: str, rows: int) -> None:
        if table not in self._bars:
            self.close()
            self._bars[table] = tqdm(
                total=self._totals[table], desc=table, disable=self._disable, file=sys.stderr
            )
        self._bars[table].update(rows)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()
