"""Stores the sort keys of movies, theatres, screens and price cards.

Each row is locked only while it is written. Rows that a server of the previous release writes
meanwhile get their keys from the worker.
"""

from typing import Any

from django.db import migrations

from booking_site.postgres.sort_keys import store_missing_sort_keys


def store(apps: Any, schema_editor: Any) -> None:
    for name in ("movie", "theatre", "screen", "pricecard"):
        store_missing_sort_keys(apps.get_model("catalog", name))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0015_sort_keys")]

    operations = [migrations.RunPython(store, migrations.RunPython.noop, elidable=True)]
