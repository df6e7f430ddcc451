"""Checks of time zones that need the pinned zone data."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from booking_site.local_time import A_DAY, offset_periods, zone_named, zone_names
from catalog.clock_changes import shows_to_move
from catalog.models import Theatre

AHEAD = timedelta(days=2 * 366)

_DIFFERENT = """
    SELECT DISTINCT zone
      FROM unnest(%(zones)s::text[], %(moments)s::timestamptz[], %(clocks)s::timestamp[])
           AS ours (zone, moment, clock)
     -- CASE, because AT TIME ZONE raises an error for an unknown zone.
     WHERE CASE WHEN zone IN (SELECT name FROM pg_timezone_names)
                THEN moment AT TIME ZONE zone <> clock ELSE TRUE END
     ORDER BY zone
"""


def different_in_postgres() -> list[str]:
    """Return the zones in use that PostgreSQL lacks, or whose next two years differ there."""
    stored = Theatre.objects.order_by().values_list("timezone", flat=True).distinct()
    begin = timezone.now()
    rows = [
        (name, moment, moment.astimezone(zone_named(name)).replace(tzinfo=None))
        for name in stored
        if name in zone_names()
        for moment in _moments(zone_named(name), begin)
    ]
    columns: dict[str, list[Any]] = {
        "zones": [zone for zone, _, _ in rows],
        "moments": [moment for _, moment, _ in rows],
        "clocks": [clock for _, _, clock in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENT, columns)
        return [name for (name,) in cursor]


def shows_not_as_planned() -> list[str]:
    """Return the upcoming shows that start at another local time than planned."""
    return [f"show {show.pk}" for show in shows_to_move(Theatre.objects.all())]


def _moments(zone: ZoneInfo, begin: datetime) -> Iterator[datetime]:
    """Yield a moment of each day, and the seconds before and after each change of clocks."""
    yield from (begin + n * A_DAY for n in range(AHEAD.days))
    for period in offset_periods(zone, begin, begin + AHEAD):
        yield period.begin
        yield period.end - timedelta(seconds=1)
