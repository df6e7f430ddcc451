"""Stores the lowest prices of archived rooms, and builds the index of changed shows.

The column `lowest_price` stays for servers of the previous release. The next release drops it.
"""

from collections.abc import Iterable
from typing import Any

from django.db import migrations, models

from booking_site.postgres.indexes import AddIndexConcurrently
from catalog.archived_rooms import lowest_prices
from catalog.layouts import parse_layout

ROOMS = 200  # at a time


def store(apps: Any, schema_editor: Any) -> None:
    """Fill `lowest_prices`. It can be repeated, and each statement is a transaction."""
    rooms = apps.get_model("catalog", "ArchivedRoom").objects
    # A room whose available seats all have rows has no prices, and is read again when repeated.
    missing = rooms.filter(lowest_prices={}).exclude(layout="").order_by("pk")
    last = 0
    while batch := list(missing.filter(pk__gt=last)[:ROOMS]):
        for room in batch:
            room.lowest_prices = lowest_prices(_available(room))
        rooms.bulk_update(batch, ["lowest_prices"])
        last = batch[-1].pk


def _available(room: Any) -> Iterable[tuple[str, Any]]:
    places = parse_layout(room.layout).places
    seats = zip(places, room.prices, room.block_reasons, strict=True)
    return (
        (place.category, price)
        for place, price, block_reason in seats
        if price is not None and block_reason is None
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0023_sales_open_at")]

    operations = [
        migrations.RunPython(store, migrations.RunPython.noop, elidable=True),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("archivedroom", "lowest_price")]
        ),
        AddIndexConcurrently(
            "show",
            models.Index(
                fields=["updated_at", "id"],
                condition=~models.Q(status="planned"),
                name="show_by_update",
            ),
        ),
    ]
