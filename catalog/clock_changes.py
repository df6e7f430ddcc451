"""Upcoming shows whose local start changed with the time zone data."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from booking_site.local_time import zone_named
from catalog.models import Show, ShowStatus, Theatre
from catalog.scheduling import LocalTimeMissing, local_moment


def shows_to_move(theatres: Iterable[Theatre]) -> list[Show]:
    """Return the upcoming shows that start at another local time than planned, by start."""
    upcoming = (
        Show.objects.upcoming()
        .filter(theatre__in=theatres, planned_utc_offset__isnull=False)
        .exclude(status=ShowStatus.CANCELLED)
    )
    starts = upcoming.values_list("pk", "theatre__timezone", "start_time", "planned_utc_offset")
    changed = [
        pk
        for pk, zone, start, planned in starts.order_by()
        if start.astimezone(zone_named(zone)).utcoffset() != planned
    ]
    shows = Show.objects.filter(pk__in=changed).select_related(
        "movie", "theatre", "screen__theatre"
    )
    return list(shows.order_by("start_time", "pk"))


def planned_moment(show: Show) -> datetime | None:
    """Return when clocks now show the time that the show was planned for; None if they skip it.

    Of a time that occurs twice, it is the occurrence nearest to the present start.
    """
    planned = show.start_time.astimezone(UTC) + (show.planned_utc_offset or timedelta())
    wall_clock = planned.replace(tzinfo=None)
    try:
        moments = [local_moment(wall_clock, zone=show.theatre.zone, fold=fold) for fold in (0, 1)]
    except LocalTimeMissing:
        return None
    return min(moments, key=lambda moment: abs(moment - show.start_time))
