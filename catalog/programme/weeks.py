"""The week view of a theatre: seven business days, each with a lane per screen and its shows."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Max, Q
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.models import User
from booking_site.local_time import clock
from catalog.models import (
    ArchivedRoom,
    Screen,
    Seat,
    SeatStatus,
    Show,
    ShowQuerySet,
    ShowStatus,
    Theatre,
)
from catalog.programme.days import A_DAY, business_day, span_of

AN_HOUR = timedelta(hours=1)
# Hours after 06:00: a day is drawn from 10:00 to 01:00, or longer if shows need it.
FIRST_HOUR, LAST_HOUR = 4, 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A show as a block; `left` counts minutes from the left edge of its day."""

    show: Show
    starts: str  # the theatre's local time
    ends: str  # "" without an end
    left: int
    minutes: int  # of the film
    turnaround: int
    seats: int
    taken: int  # sold; not held, not blocked

    @property
    def percent(self) -> int:
        return self.taken * 100 // self.seats if self.seats else 0

    @property
    def fill(self) -> str:
        """Occupancy as a style class."""
        if not self.seats:
            return "no-seats"
        levels = ((1, "empty"), (50, "low"), (85, "good"), (100, "high"))
        return next((name for limit, name in levels if self.percent < limit), "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    screen: Screen | None  # None: shows without one
    blocks: list[Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    date: date
    hours: list[datetime]  # full hours to draw; one is repeated or missing at a clock change
    lanes: list[Lane]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    days: list[Day]
    screens: list[Screen]

    @property
    def blocks(self) -> list[Block]:
        return [block for day in self.days for lane in day.lanes for block in lane.blocks]


def week(*, theatre: Theatre, monday: date) -> Week:
    """Return the seven business days from `monday`; three queries, however many shows there are."""
    screens = list(Screen.objects.filter(theatre=theatre))
    shows = list(
        _shows_of_week(theatre, monday).select_related("movie").order_by("start_time", "pk")
    )
    counts = _seat_counts(shows)
    by_day: dict[date, list[Show]] = {monday + n * A_DAY: [] for n in range(7)}
    for show in shows:
        by_day[business_day(show.start_time, theatre.zone)].append(show)
    first, last = _drawn_hours(by_day, theatre)
    days = []
    for day, shown in by_day.items():
        left_edge = span_of(day, theatre.zone)[0] + first * AN_HOUR
        lanes = [
            Lane(
                screen=screen,
                blocks=[
                    _block(show, left_edge, theatre, *counts.get(show.pk, (0, 0)))
                    for show in shown
                    if show.screen_id == (screen and screen.pk)
                ],
            )
            for screen in (*screens, None)
        ]
        hours = [(left_edge + n * AN_HOUR).astimezone(theatre.zone) for n in range(last - first)]
        days.append(
            Day(date=day, hours=hours, lanes=[lane for lane in lanes if lane.screen or lane.blocks])
        )
    return Week(days=days, screens=screens)


def open_planned(*, theatre: Theatre, monday: date, actor: User | None) -> list[Show]:
    """Open the planned shows of a week for sale, if they have seats, and return them. Repeatable.

    Opens its own durable transaction. Planned shows can't be booked, so their
    seats need no lock.
    """
    with transaction.atomic(durable=True):
        planned = _shows_of_week(theatre, monday).filter(status=ShowStatus.PLANNED)
        has_seats = Q(pk__in=Seat.objects.order_by().values("show"))
        has_seats |= Q(pk__in=ArchivedRoom.objects.values("show"))
        with_seats = planned.filter(has_seats)
        shows = list(with_seats.order_by("pk").select_for_update(of=("self",), no_key=True))
        Show.objects.filter(pk__in=[show.pk for show in shows]).update(status=ShowStatus.OPEN)
        for show in shows:
            audit.record(actor=actor, action="show_opened", subject=show, theatre_id=theatre.pk)
    return shows


def _shows_of_week(theatre: Theatre, monday: date) -> ShowQuerySet:
    begin, end = span_of(monday, theatre.zone, days=7)
    return Show.objects.filter(theatre=theatre, start_time__gte=begin, start_time__lt=end)


def _seat_counts(shows: list[Show]) -> dict[int, tuple[int, int]]:
    """Return by show id how many seats it has, and how many are sold."""
    counts = (
        Show.objects.filter(pk__in=[show.pk for show in shows])
        .order_by()
        .annotate(
            size=Count("seats") + Coalesce(Max("archived_room__seat_count"), 0),
            sold=Count("seats", filter=Q(seats__status=SeatStatus.BOOKED)),
        )
    )
    return {pk: (size, sold) for pk, size, sold in counts.values_list("pk", "size", "sold")}


def _drawn_hours(by_day: dict[date, list[Show]], theatre: Theatre) -> tuple[int, int]:
    """Return the first and last hour to draw in this week, counted from 06:00."""
    first, last = FIRST_HOUR, LAST_HOUR
    for day, shows in by_day.items():
        begin = span_of(day, theatre.zone)[0]
        for show in shows:
            end = show.occupied_until or show.end_time or show.start_time + AN_HOUR
            first = min(first, (show.start_time - begin) // AN_HOUR)
            last = max(last, -((begin - end) // AN_HOUR))
    return first, last


def _block(show: Show, left_edge: datetime, theatre: Theatre, seats: int, taken: int) -> Block:
    end = show.end_time or show.start_time + AN_HOUR
    free_again = max(show.occupied_until or end, end)
    return Block(
        show=show,
        starts=clock(show.start_time, theatre.zone),
        ends=clock(show.end_time, theatre.zone) if show.end_time else "",
        left=_minutes(show.start_time - left_edge),
        minutes=_minutes(end - show.start_time),
        turnaround=_minutes(free_again - end),
        seats=seats,
        taken=taken,
    )


def _minutes(length: timedelta) -> int:
    return length // timedelta(minutes=1)
