"""Titles and names in Unicode's composed form, so that each has only one spelling.

Run `manage.py compose_texts --dry-run` first to see what it changes, and what staff have to change.
"""

import sys
from typing import Any

from django.db import migrations

from catalog.composed_texts import NAMES, compose_texts


def compose(apps: Any, schema_editor: Any) -> None:
    for name in NAMES:
        for line in compose_texts(apps.get_model("catalog", name)):
            print(f"    {line}", file=sys.stderr)


class Migration(migrations.Migration):
    # Each row is locked only while it is rewritten.
    atomic = False

    dependencies = [("catalog", "0016_stored_sort_keys")]

    operations = [migrations.RunPython(compose, migrations.RunPython.noop, elidable=True)]
