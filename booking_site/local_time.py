"""Local days and times, computed with the pinned time zone data (`tzdata`) only.

PostgreSQL and browsers have time zone data of other releases. Statements get instants
(`calendar_day`) or offsets from UTC (`offset_periods`), never the name of a zone.
"""

from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from math import ceil
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import format_date, format_time
from django.utils.translation import gettext

from booking_site.languages import babel_locale

A_DAY = timedelta(days=1)
SECONDS_OF_A_DAY = 24 * 60 * 60
_NOT_PLACES = {"Factory", "localtime", "posixrules"}


@cache
def zone_names() -> frozenset[str]:
    """Return the names of the time zones that a theatre may have."""
    return frozenset(available_timezones() - _NOT_PLACES)


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone, or UTC for a name that `manage.py doctor` reports as unknown."""
    return ZoneInfo(name if name in zone_names() else "UTC")


def calendar_day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when a day begins and ends in the zone, in UTC."""
    begin, end = (
        # fold 0: a midnight that is skipped or occurs twice has the offset before the change.
        datetime.combine(midnight, time.min, zone).astimezone(UTC)
        for midnight in (day, day + A_DAY)
    )
    return begin, end


def offset_of(local: datetime) -> str:
    """Return the offset of a local time, e.g. UTC+05:30. Abbreviations would be ambiguous."""
    offset = local.isoformat(timespec="minutes")[16:].replace("-", "\N{MINUS SIGN}")
    return "UTC" if offset == "+00:00" else f"UTC{offset}"


def clock(moment: datetime, zone: tzinfo, form: str = "%H:%M") -> str:
    """Format a moment in the zone, with its offset if clocks show that time twice."""
    local = moment.astimezone(zone)
    text = f"{local:{form}}"
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{text} {offset_of(local)}" if twice else text


def localized_time(local: datetime) -> str:
    """Format a local time for customers: `Saturday, 28 November 2026, 18:30 UTC+01:00`."""
    locale = babel_locale()
    return gettext("%(date)s, %(time)s %(offset)s") % {
        "date": format_date(local, "full", locale),
        "time": format_time(local, "short", locale=locale),
        "offset": offset_of(local),
    }


class OffsetPeriod(NamedTuple):
    begin: datetime  # in UTC
    end: datetime
    offset: timedelta  # local time minus UTC


def offset_periods(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[OffsetPeriod]:
    """Yield the periods of constant offset from UTC between `begin` and `end`.

    The limits are whole seconds: `begin` is rounded down, `end` up.
    """

    def offset(second: int) -> timedelta:
        return datetime.fromtimestamp(second, zone).utcoffset() or timedelta()

    first, last = int(begin.timestamp()), ceil(end.timestamp())
    edges = [first]
    for before, after in pairwise([*range(first, last, SECONDS_OF_A_DAY), last]):
        if (old := offset(before)) != offset(after):
            seconds = range(before, after)
            edges.append(before + bisect(seconds, False, key=lambda at: offset(at) != old))
    for start, stop in pairwise([*edges, last]):
        yield OffsetPeriod(
            datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(stop, UTC), offset(start)
        )
