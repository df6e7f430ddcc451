"""Upcoming shows whose local time has changed: with the time zone data, or their theatre's zone."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db import connection

from booking_site.local_time import zone_named
from catalog.models import Show, ShowQuerySet, ShowStatus, Theatre
from catalog.scheduling import LocalTimeMissing, ScreenTaken, local_moment

TIMES = ("start_time", "end_time", "occupied_until", "sales_open_at", "sales_close_at")


def upcoming_shows(theatres: Iterable[Theatre]) -> ShowQuerySet:
    return Show.objects.upcoming().filter(theatre__in=theatres).exclude(status=ShowStatus.CANCELLED)


def shows_to_move(theatres: Iterable[Theatre]) -> list[Show]:
    """Return the upcoming shows that start at another local time than planned, by start."""
    planned = upcoming_shows(theatres).filter(planned_utc_offset__isnull=False)
    starts = planned.values_list("pk", "theatre__timezone", "start_time", "planned_utc_offset")
    changed = [
        pk
        for pk, zone, start, offset in starts.order_by()
        if start.astimezone(zone_named(zone)).utcoffset() != offset
    ]
    shows = Show.objects.filter(pk__in=changed).select_related(
        "movie", "theatre", "screen__theatre"
    )
    return list(shows.order_by("start_time", "pk"))


def planned_moment(show: Show) -> datetime | None:
    """Return when clocks show the show's planned local time; None if they skip it.

    If the time occurs twice, return the occurrence nearest to the current start.
    """
    planned = show.start_time.astimezone(UTC) + (show.planned_utc_offset or timedelta())
    wall_clock = planned.replace(tzinfo=None)
    try:
        moments = [local_moment(wall_clock, zone=show.theatre.zone, fold=fold) for fold in (0, 1)]
    except LocalTimeMissing:
        return None
    return min(moments, key=lambda moment: abs(moment - show.start_time))


def shows_in_zone(theatre: Theatre, zone: ZoneInfo) -> list[Show]:
    """Return the theatre's upcoming shows, unsaved, at the same local times in another zone.

    Raise LocalTimeMissing, or ScreenTaken if two of them would overlap.
    """
    shows = list(
        upcoming_shows([theatre])
        .select_related("movie", "theatre", "screen")
        .order_by("screen", "start_time", "pk")
    )
    for show in shows:
        wall_clock = show.start_time.astimezone(theatre.zone).replace(tzinfo=None)
        start = local_moment(wall_clock, zone=zone, fold=wall_clock.fold)
        shift = start - show.start_time
        for name in TIMES:
            if moment := getattr(show, name):
                setattr(show, name, moment + shift)
        show.planned_utc_offset = start.astimezone(zone).utcoffset()
    for show, following in pairwise(shows):
        if show.screen and show.screen == following.screen and show.overlaps(following):
            raise ScreenTaken(
                f"{show} and {following} would overlap.", show=following, rivals=[show]
            )
    return shows


def save_times(shows: Iterable[Show]) -> None:
    """Save the times of shows in a transaction; check for overlaps after all are saved."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS show_screen_not_taken DEFERRED")
        Show.objects.bulk_update(list(shows), [*TIMES, "planned_utc_offset"])
        cursor.execute("SET CONSTRAINTS show_screen_not_taken IMMEDIATE")
