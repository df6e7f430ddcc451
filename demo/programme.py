"""Fills the catalogue with the invented programme of programme.toml.

Movies, theatres, screens and price cards are recognized by their names, shows by
their screen and day: only what is missing is created. Each theatre's day is one
transaction, so an interrupted run can simply be repeated.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.layouts import Layout, parse_layout
from catalog.models import (
    GapRule,
    Movie,
    PriceCard,
    PriceCardLine,
    Screen,
    Show,
    Theatre,
)
from catalog.scheduling import ends_of, local_moment, shows_by_screen
from catalog.seat_maps import Prices, copy_seats, prices_of

DATA = tomllib.loads(
    Path(__file__).with_name("programme.toml").read_text(encoding="utf-8"), parse_float=Decimal
)
THEATRES: list[dict[str, Any]] = DATA["theatres"]
LAYOUTS: list[str] = [screen["layout"] for screen in DATA["screens"]]
MOVIES: list[dict[str, Any]] = DATA["movies"]

FIRST_START = time(10, 0)
LAST_START = time(22, 45)
STAGGER = timedelta(minutes=15)  # between the first starts of neighbouring screens
STAGGERED_SCREENS = 4
TURNAROUND_MINUTES = 20
ROUNDING_MINUTES = 5
PRIME_TIME = time(20, 0)
FORMATS = ("2D", "2D", "2D", "3D")


@dataclass(frozen=True, kw_only=True, slots=True)
class Programme:
    """How much there should be. Screens are per theatre, shows per screen and day."""

    theatres: int
    screens: int
    movies: int
    days: int
    shows_per_day: int
    start_date: date | None = None  # None: today, in each theatre's time zone
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Venue:
    """A theatre with its screens and prices."""

    theatre: Theatre
    screens: list[tuple[Screen, Layout]]
    card: PriceCard
    prices: Prices


def in_words(counts: Counter[str]) -> str:
    """Format counts like `3 shows, 1,500 seats`; "" when all are zero."""
    nouns = ("theatres", "screens", "movies", "shows", "seats")
    return ", ".join(f"{counts[noun]:,} {noun}" for noun in nouns if counts[noun])


def most_shows_per_day(movies: int) -> int:
    """Return how many shows fit on a screen in a day, whichever of the movies they show."""
    longest: int = max(movie["duration_minutes"] for movie in MOVIES[:movies])
    slot = longest + TURNAROUND_MINUTES + ROUNDING_MINUTES
    latest_opening = _minutes(FIRST_START) + (STAGGERED_SCREENS - 1) * STAGGER.seconds // 60
    return (_minutes(LAST_START) - latest_opening) // slot + 1


def seed_programme(wanted: Programme, *, progress: Callable[[int], object]) -> Counter[str]:
    """Create what is missing, and return how much that was.

    `progress` is called with 1 after each of the `theatres` times `days` steps.
    Opens its own transactions.
    """
    created: Counter[str] = Counter()
    with transaction.atomic(durable=True):
        movies = [_movie(index, created) for index in range(wanted.movies)]
        venues = [_venue(index, wanted.screens, created) for index in range(wanted.theatres)]
    for venue in venues:
        first = wanted.start_date or timezone.localdate(timezone=venue.theatre.zone)
        for offset in range(wanted.days):
            with transaction.atomic(durable=True):
                _seed_day(venue, first + timedelta(days=offset), movies, wanted, created)
            progress(1)
    return created


def _movie(index: int, created: Counter[str]) -> Movie:
    demo = MOVIES[index % len(MOVIES)]
    title = _numbered(demo["title"], index, len(MOVIES))
    released = date(2026, 1, 9) + timedelta(weeks=index % 52)
    movie, is_new = Movie.objects.get_or_create(
        title=title, defaults=demo | {"title": title, "release_date": released}
    )
    created["movies"] += is_new
    return movie


def _venue(index: int, screen_count: int, created: Counter[str]) -> Venue:
    demo = THEATRES[index % len(THEATRES)]
    theatre, is_new = Theatre.objects.get_or_create(
        name=_numbered(demo["name"], index, len(THEATRES)),
        defaults={
            "location": demo["location"],
            "timezone": demo["timezone"],
            "currency": demo["currency"],
            "gap_rule": GapRule.MIDDLE_ONLY if index % 2 else GapRule.OFF,
        },
    )
    created["theatres"] += is_new
    screens = []
    for number in range(1, screen_count + 1):
        screen, is_new = Screen.objects.get_or_create(
            theatre=theatre,
            name=f"Screen {number}",
            defaults={
                "layout": LAYOUTS[(index + number - 1) % len(LAYOUTS)],
                "turnaround_minutes": TURNAROUND_MINUTES,
            },
        )
        created["screens"] += is_new
        screens.append((screen, parse_layout(screen.layout)))
    card, is_new = PriceCard.objects.get_or_create(name=_card_name(theatre))
    if is_new:
        PriceCardLine.objects.bulk_create(
            PriceCardLine(price_card=card, category=category, price=price)
            for category, price in demo["prices"].items()
        )
    return Venue(theatre, screens, card, prices_of(card))


def _numbered(name: str, index: int, names: int) -> str:
    """Return the name, with a number once all `names` different names are used up."""
    return name if index < names else f"{name} {index // names + 1}"


def _card_name(theatre: Theatre) -> str:
    return f"{theatre.name} {theatre.currency}"


def _seed_day(
    venue: Venue, day: date, movies: list[Movie], wanted: Programme, created: Counter[str]
) -> None:
    zone = venue.theatre.zone
    midnight = datetime.combine(day, time.min, zone)
    screens = [screen for screen, _ in venue.screens]
    existing = shows_by_screen(screens, midnight, midnight + timedelta(days=2))
    new: list[tuple[Show, Layout]] = []
    for index, (screen, layout) in enumerate(venue.screens):
        rivals = existing[screen.pk]
        today = sum(show.start_time.astimezone(zone).date() == day for show in rivals)
        free = [
            show
            for show in _day_on_screen(venue, index, day, movies, wanted.seed)
            if not any(map(show.overlaps, rivals))
        ]
        new += [(show, layout) for show in free[: max(wanted.shows_per_day - today, 0)]]
    Show.objects.bulk_create(show for show, _ in new)
    created["shows"] += len(new)
    created["seats"] += copy_seats((show.pk, layout, venue.prices) for show, layout in new)


def _day_on_screen(
    venue: Venue, index: int, day: date, movies: list[Movie], seed: int
) -> list[Show]:
    """Fill one screen's day from opening to the last start; shows near prime time come first.

    So the first three shows of the list are also the first three of a longer one.
    """
    screen, _ = venue.screens[index]
    zone = venue.theatre.zone
    random = Random(f"{seed}/{venue.theatre.name}/{screen.name}/{day}")  # noqa: S311 - no secret
    playing = cycle(random.sample(movies, len(movies)))
    start = datetime.combine(day, FIRST_START) + index % STAGGERED_SCREENS * STAGGER
    shows: dict[datetime, Show] = {}
    while start <= datetime.combine(day, LAST_START):
        movie = next(playing)
        moment = local_moment(start, zone=zone, fold=0)
        ends = ends_of(movie=movie, screen=screen, start_time=moment)
        show = Show(
            movie=movie,
            theatre=venue.theatre,
            screen=screen,
            price_card=venue.card,
            format=random.choice(FORMATS),
            language=movie.language,
            **ends._asdict(),
        )
        show.start_at(moment)
        shows[start] = show
        free_again = (ends.occupied_until or moment).astimezone(zone).replace(tzinfo=None)
        start = free_again + timedelta(minutes=-free_again.minute % ROUNDING_MINUTES)
    prime = datetime.combine(day, PRIME_TIME)
    return [shows[start] for start in sorted(shows, key=lambda start: abs(start - prime))]


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def clear_programme() -> Counter[str]:
    """Delete what `seed_programme` created, except shows with held or booked seats.

    Theatres, screens, price cards and movies are deleted when no show needs them.
    Return what was deleted, and `kept_shows`. Opens its own transactions, one per show.
    """
    deleted: Counter[str] = Counter()
    theatres = Theatre.objects.filter(name__regex=_series(demo["name"] for demo in THEATRES))
    for show_id in Show.objects.filter(theatre__in=theatres).values_list("pk", flat=True):
        try:
            # SQL, as the ORM would delete holds along with their show.
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                cursor.execute("DELETE FROM seats WHERE show_id = %s", [show_id])
                seats = cursor.rowcount
                cursor.execute("DELETE FROM shows WHERE id = %s", [show_id])
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except IntegrityError:  # bookings or holds refer to it
            deleted["kept_shows"] += 1
        else:
            deleted["shows"] += 1
            deleted["seats"] += seats
    with transaction.atomic(durable=True):
        idle = theatres.filter(shows=None)
        cards = [_card_name(theatre) for theatre in idle]
        Screen.objects.filter(theatre__in=idle).delete()
        PriceCard.objects.filter(name__in=cards, shows=None).delete()
        deleted["theatres"] = idle.delete()[0]
        titles = _series(demo["title"] for demo in MOVIES)
        deleted["movies"] = Movie.objects.filter(title__regex=titles, shows=None).delete()[0]
    return deleted


def _series(names: Iterable[str]) -> str:
    """Return a regular expression that matches each name, with or without a number."""
    return rf"^({'|'.join(re.escape(name) for name in names)})( [0-9]+)?$"
