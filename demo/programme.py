"""Fills the catalogue with an invented programme: repeatable, and safe to repeat.

Movies, theatres, screens and price cards are known by their names, shows by
their screen and day: what is there already is left as it is, and only what is
missing is made. Each theatre's day is one transaction, so a run that was
interrupted is simply started again.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import cycle
from random import Random

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg.errors import ForeignKeyViolation

from catalog.layouts import Layout, parse_layout
from catalog.models import (
    GapRule,
    Movie,
    PriceCard,
    PriceCardLine,
    Screen,
    Show,
    ShowStatus,
    Theatre,
)
from catalog.scheduling import ends_of, local_moment
from catalog.seat_maps import Prices, copy_seats, prices_of
from demo.programme_data import MOVIES, ROOMS, THEATRES, DemoTheatre, numbered

FIRST_START = time(10, 0)
LAST_START = time(22, 45)
STAGGER = timedelta(minutes=15)  # between the first starts of neighbouring screens
STAGGERED_SCREENS = 4
TURNAROUND_MINUTES = 20
ROUNDING_MINUTES = 5
PRIME_TIME = time(20, 0)
FORMATS = ("2D", "2D", "2D", "3D")
CLEARED_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Programme:
    """How much there should be. Screens are per theatre, shows per screen and day."""

    theatres: int
    screens: int
    movies: int
    days: int
    shows_per_day: int
    start_date: date | None = None  # None: today, on the clocks of each theatre
    seed: int = 1


@dataclass(slots=True)
class Made:
    """How much was missing and has been made."""

    theatres: int = 0
    screens: int = 0
    movies: int = 0
    shows: int = 0
    seats: int = 0

    def __str__(self) -> str:
        return _counted(
            theatres=self.theatres,
            screens=self.screens,
            movies=self.movies,
            shows=self.shows,
            seats=self.seats,
        )


@dataclass(frozen=True, slots=True)
class House:
    """A theatre with what its shows are made of."""

    theatre: Theatre
    screens: list[tuple[Screen, Layout]]
    card: PriceCard
    prices: Prices


def most_shows_per_day(movies: int) -> int:
    """Return how many shows fit on a screen in a day, whichever of the movies they are."""
    longest = max(movie.duration_minutes for movie in MOVIES[:movies])
    slot = longest + TURNAROUND_MINUTES + ROUNDING_MINUTES
    latest_opening = _minutes(FIRST_START) + (STAGGERED_SCREENS - 1) * STAGGER.seconds // 60
    return (_minutes(LAST_START) - latest_opening) // slot + 1


def seed_programme(wanted: Programme, *, progress: Callable[[int], object]) -> Made:
    """Make what is missing, and say how much that was.

    `progress` is called with 1 after each of the `theatres` times `days` steps.
    Opens its own transactions.
    """
    made = Made()
    with transaction.atomic(durable=True):
        movies = _movies(wanted.movies, made)
        houses = [_house(index, wanted.screens, made) for index in range(wanted.theatres)]
    for house in houses:
        first = wanted.start_date or timezone.localdate(timezone=house.theatre.zone)
        for offset in range(wanted.days):
            day = first + timedelta(days=offset)
            with transaction.atomic(durable=True):
                _day(house, day, movies, wanted, made)
            progress(1)
    return made


def _movies(count: int, made: Made) -> list[Movie]:
    movies = []
    for index in range(count):
        demo = MOVIES[index % len(MOVIES)]
        movie, created = Movie.objects.get_or_create(
            title=numbered(demo.title, index, len(MOVIES)),
            defaults={
                "description": demo.description,
                "duration_minutes": demo.duration_minutes,
                "certificate": demo.certificate,
                "language": demo.language,
                "genres": demo.genres,
                "release_date": date(2026, 1, 9) + timedelta(weeks=index % 52),
            },
        )
        made.movies += created
        movies.append(movie)
    return movies


def _house(index: int, screen_count: int, made: Made) -> House:
    demo = THEATRES[index % len(THEATRES)]
    theatre, created = Theatre.objects.get_or_create(
        name=numbered(demo.name, index, len(THEATRES)),
        defaults={
            "location": demo.location,
            "timezone": demo.timezone,
            "currency": demo.currency,
            "gap_rule": GapRule.MIDDLE_ONLY if index % 2 else GapRule.OFF,
        },
    )
    made.theatres += created
    screens = []
    for number in range(1, screen_count + 1):
        screen, created = Screen.objects.get_or_create(
            theatre=theatre,
            name=f"Screen {number}",
            defaults={
                "layout": ROOMS[(index + number - 1) % len(ROOMS)],
                "turnaround_minutes": TURNAROUND_MINUTES,
            },
        )
        made.screens += created
        screens.append((screen, parse_layout(screen.layout)))
    card = _price_card(theatre, demo)
    return House(theatre, screens, card, prices_of(card))


def _card_name(theatre: Theatre) -> str:
    return f"{theatre.name} {theatre.currency}"


def _price_card(theatre: Theatre, demo: DemoTheatre) -> PriceCard:
    card, created = PriceCard.objects.get_or_create(name=_card_name(theatre))
    if created:
        PriceCardLine.objects.bulk_create(
            PriceCardLine(price_card=card, category=category, price=price)
            for category, price in demo.prices.items()
        )
    return card


def _day(house: House, day: date, movies: list[Movie], wanted: Programme, made: Made) -> None:
    zone = house.theatre.zone
    midnight = datetime.combine(day, time.min, zone)
    there = (
        Show.objects.filter(
            screen__in=[screen for screen, _ in house.screens],
            start_time__lt=midnight + timedelta(days=2),
            occupied_until__gt=midnight,
        )
        .exclude(status=ShowStatus.CANCELLED)
        .order_by("pk")
    )
    on_screen: dict[int | None, list[Show]] = defaultdict(list)
    for show in there:
        on_screen[show.screen_id].append(show)
    shows: list[Show] = []
    layouts: list[Layout] = []
    for index, (screen, layout) in enumerate(house.screens):
        rivals = on_screen[screen.pk]
        today = sum(show.start_time.astimezone(zone).date() == day for show in rivals)
        free = [
            show
            for show in _day_on_screen(house, index, day, movies, wanted.seed)
            if not any(_overlap(show, rival) for rival in rivals)
        ]
        new = free[: max(wanted.shows_per_day - today, 0)]
        shows += new
        layouts += [layout] * len(new)
    Show.objects.bulk_create(shows)
    made.shows += len(shows)
    made.seats += copy_seats(
        (show.pk, layout, house.prices) for show, layout in zip(shows, layouts, strict=True)
    )


def _day_on_screen(
    house: House, index: int, day: date, movies: list[Movie], seed: int
) -> list[Show]:
    """Fill one screen's day from opening to the last start; the best hours come first.

    So the first three shows of the list are also the first three of a longer one.
    """
    screen, _ = house.screens[index]
    zone = house.theatre.zone
    random = Random(f"{seed}/{house.theatre.name}/{screen.name}/{day}")  # noqa: S311 - no secret
    playing = cycle(random.sample(movies, len(movies)))
    start = datetime.combine(day, FIRST_START) + index % STAGGERED_SCREENS * STAGGER
    shows: dict[datetime, Show] = {}
    while start <= datetime.combine(day, LAST_START):
        movie = next(playing)
        moment = local_moment(start, zone=zone, fold=0)
        ends = ends_of(movie=movie, screen=screen, start_time=moment)
        show = Show(
            movie=movie,
            theatre=house.theatre,
            screen=screen,
            price_card=house.card,
            start_time=moment,
            end_time=ends.end_time,
            occupied_until=ends.occupied_until,
            format=random.choice(FORMATS),
            language=movie.language,
        )
        shows[start] = show
        start = _rounded_up(_free_again(show).astimezone(zone).replace(tzinfo=None))
    prime = datetime.combine(day, PRIME_TIME)
    return [shows[start] for start in sorted(shows, key=lambda start: abs(start - prime))]


def _overlap(one: Show, other: Show) -> bool:
    return one.start_time < _free_again(other) and other.start_time < _free_again(one)


def _free_again(show: Show) -> datetime:
    """Return when the screen is free again after the show."""
    return show.occupied_until or show.start_time


def _rounded_up(moment: datetime) -> datetime:
    return moment + timedelta(minutes=-moment.minute % ROUNDING_MINUTES)


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute


@dataclass(slots=True)
class Cleared:
    """What `clear_programme` removed, and the shows it had to keep."""

    shows: int = 0
    seats: int = 0
    movies: int = 0
    theatres: int = 0
    kept_shows: int = 0

    def __str__(self) -> str:
        return _counted(
            theatres=self.theatres, movies=self.movies, shows=self.shows, seats=self.seats
        )


def _counted(**amounts: int) -> str:
    """Say `3 shows, 1,500 seats`; nothing when all are zero."""
    return ", ".join(f"{amount:,} {noun}" for noun, amount in amounts.items() if amount)


def clear_programme() -> Cleared:
    """Delete what `seed_programme` made, except shows that somebody holds or booked seats of.

    Theatres, screens, price cards and movies go when no show needs them any
    more. Opens its own transactions, one for every few shows.
    """
    cleared = Cleared()
    theatres = Theatre.objects.filter(name__regex=_series(demo.name for demo in THEATRES))
    show_ids = Show.objects.filter(theatre__in=theatres).order_by("pk").values_list("pk", flat=True)
    remaining = list(show_ids)
    while remaining:
        batch, remaining = remaining[:CLEARED_AT_ONCE], remaining[CLEARED_AT_ONCE:]
        with transaction.atomic(durable=True):
            _clear_shows(batch, cleared)
    with transaction.atomic(durable=True):
        idle = theatres.filter(shows=None)
        cards = [_card_name(theatre) for theatre in idle]
        Screen.objects.filter(theatre__in=idle).delete()
        PriceCard.objects.filter(name__in=cards, shows=None).delete()
        cleared.theatres = idle.delete()[0]
        titles = _series(demo.title for demo in MOVIES)
        cleared.movies = Movie.objects.filter(title__regex=titles, shows=None).delete()[0]
    return cleared


def _clear_shows(show_ids: list[int], cleared: Cleared) -> None:
    try:
        # A savepoint: the first show that must stay undoes this batch.
        with transaction.atomic(), connection.cursor() as cursor:
            # Who refers to a show is asked now and not at commit.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("DELETE FROM seats WHERE show_id = ANY(%s)", [show_ids])
            seats = cursor.rowcount
            cursor.execute("DELETE FROM shows WHERE id = ANY(%s)", [show_ids])
    except IntegrityError as error:
        if not isinstance(error.__cause__, ForeignKeyViolation):
            raise
        if len(show_ids) == 1:
            cleared.kept_shows += 1
            return
        middle = len(show_ids) // 2
        _clear_shows(show_ids[:middle], cleared)
        _clear_shows(show_ids[middle:], cleared)
    else:
        cleared.seats += seats
        cleared.shows += len(show_ids)


def _series(bases: Iterable[str]) -> str:
    """Match each name, alone or counted on."""
    return rf"^({'|'.join(re.escape(base) for base in bases)})( [0-9]+)?$"
