"""Fill the catalogue with an invented programme."""

from argparse import SUPPRESS, ArgumentParser
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from booking_site.api.errors import DomainError
from catalog.layouts import LayoutError
from demo.programme import (
    Programme,
    clear_programme,
    in_words,
    most_shows_per_day,
    seed_programme,
)

AMOUNTS = {
    "theatres": (3, "theatres, in time zones of both hemispheres"),
    "screens": (3, "screens in each theatre"),
    "movies": (12, "movies"),
    "days": (7, "days, from the start date on"),
    "shows_per_day": (3, "shows on each screen and day"),
}
# Far more than anyone needs, so that a typing mistake does not fill the disk.
MOST = {"theatres": 100, "screens": 40, "movies": 500, "days": 730}


class Command(BaseCommand):
    help = (
        "Create theatres, screens, movies, price cards, and shows with their seats. "
        "Run it again to create only what is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.usage = SUPPRESS  # so a mistake is one line
        for name, (default, meaning) in AMOUNTS.items():
            option = _option(name)
            parser.add_argument(option, type=int, default=default, help=f"{meaning} ({default})")
        parser.add_argument("--start-date", help="first day, YYYY-MM-DD (today)")
        parser.add_argument("--seed", type=int, default=1, help="same seed, same programme (1)")
        parser.add_argument(
            "--clear", action="store_true", help="first delete what this command created before"
        )
        parser.add_argument("--yes", action="store_true", help="allow --clear in production")

    def handle(self, *args: Any, **options: Any) -> None:
        programme = _programme(options)
        if options["clear"]:
            self._clear(sure=options["yes"])
        steps = programme.theatres * programme.days
        try:
            with tqdm(
                total=steps, unit="day", disable=None if options["verbosity"] else True
            ) as bar:
                created = in_words(seed_programme(programme, progress=bar.update))
        except (DomainError, LayoutError) as error:
            raise CommandError(f"{error} Correct it in the admin, then run this again.") from error
        self.stdout.write(f"Created {created}." if created else "Nothing was missing.")

    def _clear(self, *, sure: bool) -> None:
        if not (settings.DEVELOPMENT or sure):
            raise CommandError("--clear deletes shows and their seats. Add --yes to confirm.")
        counts = clear_programme()
        deleted = in_words(counts)
        self.stdout.write(f"Deleted {deleted}." if deleted else "There was nothing to delete.")
        if kept := counts["kept_shows"]:
            self.stdout.write(f"Not deleted: {kept} shows with held or booked seats.")


def _programme(options: dict[str, Any]) -> Programme:
    amounts = {name: options[name] for name in AMOUNTS}
    for name, amount in amounts.items():
        if amount < 1:
            raise CommandError(f"{_option(name)} must be at least 1, not {amount}.")
        if amount > MOST.get(name, amount):
            raise CommandError(f"{_option(name)} can be at most {MOST[name]}, not {amount}.")
    most = most_shows_per_day(amounts["movies"])
    if amounts["shows_per_day"] > most:
        raise CommandError(
            f"--shows-per-day can be at most {most}, or the last would start too late. "
            "Use more --screens instead."
        )
    return Programme(**amounts, start_date=_start_date(options["start_date"]), seed=options["seed"])


def _start_date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 2000 <= day.year < 2100 or text != day.isoformat():  # fromisoformat accepts 20261122
        raise CommandError(f"--start-date must be a day such as 2026-11-22, not {text!r}.")
    return day


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
