"""Rewrite titles and names in Unicode's composed form."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand

from catalog.composed_texts import NAMES, compose_texts


class Command(BaseCommand):
    help = (
        "Rewrite the texts of movies, theatres, screens and price cards in Unicode's composed form"
        " (NFC), and list titles and names that would become equal, which staff have to change."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only list what would change")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        for name in NAMES:
            for line in compose_texts(apps.get_model("catalog", name), dry_run=dry_run):
                self.stdout.write(line)
