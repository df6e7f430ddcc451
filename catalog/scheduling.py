"""When a show runs: local times of a theatre, end times, collisions on a screen."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from booking_site.api.errors import DomainError
from booking_site.local_time import clock
from catalog.models import Movie, Screen, Show, ShowQuerySet


class LocalTimeMissing(DomainError):
    """Clocks skip this time that night, as daylight saving time begins."""

    code = "local_time_missing"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class LocalTimeAmbiguous(DomainError):
    """Clocks show this time twice that night, as daylight saving time ends.

    `offsets` lists both UTC offsets, the earlier occurrence first.
    """

    code = "local_time_ambiguous"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class DurationMissing(DomainError):
    """A show on a screen needs an end time, and the movie has no duration."""

    code = "duration_missing"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ScreenInOtherTheatre(DomainError):
    """The screen belongs to a different theatre than the show."""

    code = "screen_in_other_theatre"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ScreenTaken(DomainError):
    """Another show occupies the screen at that time; `show_ids` lists it.

    `rivals` are these shows and `show` is the refused one. They are unknown if the
    constraint refused the show.
    """

    code = "screen_taken"

    def __init__(self, message: str, *, show: Show | None, rivals: Sequence[Show] = ()) -> None:
        super().__init__(message, show_ids=[rival.pk for rival in rivals])
        self.show = show
        self.rivals = rivals


class Ends(NamedTuple):
    end_time: datetime | None
    occupied_until: datetime | None


def local_moment(wall_clock: datetime, *, zone: ZoneInfo, fold: int | None = None) -> datetime:
    """Return the moment, in UTC, at which clocks in `zone` show `wall_clock` (naive).

    `fold` chooses the first (0) or second (1) occurrence of an ambiguous time.
    Raise LocalTimeMissing, or LocalTimeAmbiguous if `fold` is needed and None.
    """
    earlier, later = (wall_clock.replace(tzinfo=zone, fold=choice) for choice in (0, 1))
    moment = earlier.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != wall_clock.replace(fold=0):
        raise LocalTimeMissing(
            f"{wall_clock:%H:%M} does not exist on {wall_clock:%d %b %Y} in {zone.key}, "
            "because clocks go forward."
        )
    if earlier.utcoffset() == later.utcoffset():
        return moment
    if fold is None:
        offsets = [choice.isoformat(timespec="minutes")[16:] for choice in (earlier, later)]
        raise LocalTimeAmbiguous(
            f"{wall_clock:%H:%M} occurs twice on {wall_clock:%d %b %Y} in {zone.key}: "
            f"choose the first (UTC{offsets[0]}) or the second (UTC{offsets[1]}).",
            offsets=offsets,
        )
    return (later if fold else earlier).astimezone(UTC)


def ends_of(*, movie: Movie, screen: Screen | None, start_time: datetime) -> Ends:
    """Return when a show would end, and when its screen would be free again.

    Both are None without a duration, the latter also without a screen. Raise
    DurationMissing for a show on a screen without a duration.
    """
    if movie.duration_minutes is None:
        if screen:
            raise DurationMissing(
                f"Enter a duration for “{movie}” first: a show on a screen needs an end."
            )
        return Ends(None, None)
    end_time = start_time + timedelta(minutes=movie.duration_minutes)
    if not screen:
        return Ends(end_time, None)
    return Ends(end_time, end_time + timedelta(minutes=screen.turnaround_minutes))


def lock_screen(screen: Screen) -> None:
    """Lock the screen against others who plan shows on it. Needs a transaction.

    Two concurrent writers would wait for each other in the exclusion constraint,
    and PostgreSQL would abort one of them because of the deadlock.
    """
    screens = Screen.objects.filter(pk=screen.pk)
    list(screens.select_for_update(of=("self",), no_key=True).values_list("pk"))


def collisions_of(show: Show) -> ShowQuerySet:
    """Return other shows on this show's screen at its time, earliest first.

    The show may be unsaved; without a screen it collides with nothing.
    """
    if show.screen_id is None or show.occupied_until is None:
        return Show.objects.none()
    occupying = Show.objects.occupying([show.screen_id], show.start_time, show.occupied_until)
    return occupying.exclude(pk=show.pk)


def shows_by_screen(
    screens: Iterable[Any], begin: datetime, end: datetime
) -> dict[int | None, list[Show]]:
    """Return the shows that occupy these screens within this time, by screen id; one query."""
    found: dict[int | None, list[Show]] = defaultdict(list)
    for show in Show.objects.occupying(screens, begin, end):
        found[show.screen_id].append(show)
    return found


def describe_occupation(show: Show) -> str:
    """Return the movie, the day, and from when until when the show occupies its screen."""
    zone = show.theatre.zone
    day = show.start_time.astimezone(zone)
    hours = [clock(moment, zone) for moment in (show.start_time, show.occupied_until) if moment]
    return f"“{show.movie}” on {day:%a %d %b %Y}, {' to '.join(hours)}"
