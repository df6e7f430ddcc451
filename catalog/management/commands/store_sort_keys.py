"""Store the sort keys of names and titles that plain SQL wrote."""

from typing import Any

from django.core.management.base import BaseCommand

from booking_site.postgres.sort_keys import store_missing_sort_keys
from catalog.models import Movie, PriceCard, Screen, Theatre


class Command(BaseCommand):
    help = "Store the sort keys of movies, theatres, screens and price cards that have none."

    def handle(self, **options: Any) -> None:
        total = sum(map(store_missing_sort_keys, (Movie, Theatre, Screen, PriceCard)))
        self.stdout.write(f"Stored {total} sort keys.")
