"""Applies a movie's changed duration to its upcoming shows, on request."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import User
from booking_site.api.errors import DomainError, violated_constraint
from booking_site.local_time import clock
from catalog.models import Movie, Screen, Show, ShowStatus, Theatre
from catalog.scheduling import DurationMissing, ScreenTaken, describe_occupation, shows_by_screen


class DurationsChanged(DomainError):
    """The schedule or the movie changed after the preview."""

    code = "durations_changed"
    message = "The schedule or the movie changed after the preview. Check the new preview."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEnd:
    """A show unchanged, its new end, and the shows that the new end would overlap."""

    show: Show
    end_time: datetime
    occupied_until: datetime | None  # with the turnaround it was planned with
    rivals: tuple[Show, ...]

    @property
    def fits(self) -> bool:
        return not self.rivals

    @property
    def starts(self) -> str:
        return clock(self.show.start_time, self.show.theatre.zone, "%a %d %b %Y, %H:%M")

    @property
    def old_end(self) -> str:
        end = self.show.end_time
        return clock(end, self.show.theatre.zone) if end else "no end"

    @property
    def new_end(self) -> str:
        return clock(self.end_time, self.show.theatre.zone)

    @property
    def conflicts(self) -> str:
        return "; ".join(map(describe_occupation, self.rivals))


def plan_durations(*, movie: Movie, theatres: Iterable[Theatre]) -> list[NewEnd]:
    """Return what `apply_durations` would do to the upcoming shows whose end would change.

    Two queries, however many shows there are; writes nothing. Raise DurationMissing.
    """
    if movie.duration_minutes is None:
        raise DurationMissing(f"Enter a duration for “{movie}” first: its shows need an end.")
    length = timedelta(minutes=movie.duration_minutes)
    upcoming = (
        Show.objects.upcoming()
        .filter(movie=movie, theatre__in=theatres)
        .exclude(status=ShowStatus.CANCELLED)
        .select_related("movie", "theatre", "screen__theatre")
        .order_by("start_time", "pk")
    )
    ends = [
        (show, show.start_time + length, _free_again(show, show.start_time + length))
        for show in upcoming
        if show.end_time != show.start_time + length
    ]
    others: dict[int | None, list[Show]] = {}
    if spans := [(show, until) for show, _, until in ends if until]:
        screens = {show.screen_id for show, _ in spans}
        last = max(until for _, until in spans)
        others = shows_by_screen(screens, spans[0][0].start_time, last)
    return [
        NewEnd(
            show=show,
            end_time=end,
            occupied_until=until,
            # Only ends move, not starts, so each show is checked alone: its rivals are
            # the shows that start before its screen would be free again.
            rivals=tuple(
                other
                for other in others.get(show.screen_id, ())
                if other.pk != show.pk and until and show.start_time <= other.start_time < until
            ),
        )
        for show, end, until in ends
    ]


def fingerprint(plan: Sequence[NewEnd]) -> str:
    """Return a digest, equal for plans that do the same to the same shows."""
    facts = [(new.show.pk, new.end_time.isoformat(), new.fits) for new in plan]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def apply_durations(
    *, movie_id: int, theatres: Iterable[Theatre], seen: str, actor: User | None
) -> list[NewEnd]:
    """Give the upcoming shows their new ends, except those that would overlap another show.

    `seen` is the fingerprint of the preview. Opens its own durable transaction. Raise
    DurationsChanged, DurationMissing or ScreenTaken.
    """
    try:
        with transaction.atomic(durable=True):
            return _apply(movie_id, list(theatres), seen, actor)
    except IntegrityError as error:
        # Another show was moved here without the screen's lock.
        if violated_constraint(error) == "show_screen_not_taken":
            raise ScreenTaken("Another show is on the screen at that time.", show=None) from error
        raise


def _apply(movie_id: int, theatres: list[Theatre], seen: str, actor: User | None) -> list[NewEnd]:
    movie = Movie.objects.get(pk=movie_id)
    shows = Show.objects.upcoming().filter(movie=movie, theatre__in=theatres)
    screens = Screen.objects.filter(pk__in=shows.values("screen"))
    for rows in (screens, shows):  # screens first, like plans.apply
        list(rows.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
    plan = plan_durations(movie=movie, theatres=theatres)
    if fingerprint(plan) != seen:
        raise DurationsChanged
    for new in plan:
        if not new.fits:
            continue
        Show.objects.filter(pk=new.show.pk).update(
            end_time=new.end_time, occupied_until=new.occupied_until
        )
        audit.record(
            actor=actor,
            action="duration_applied",
            subject=new.show,
            theatre_id=new.show.theatre_id,
            changes={"ends": [_clock(new.show.end_time, new.show), _clock(new.end_time, new.show)]},
        )
    return plan


def _free_again(show: Show, end: datetime) -> datetime | None:
    if show.occupied_until is None or show.screen is None:
        return None
    if show.end_time is None:  # inserted by plain SQL, without a planned end
        return end + timedelta(minutes=show.screen.turnaround_minutes)
    return end + (show.occupied_until - show.end_time)


def _clock(moment: datetime | None, show: Show) -> str:
    return clock(moment, show.theatre.zone, "%Y-%m-%d %H:%M") if moment else ""
