"""Makes rows for tests. A show made here has a seat map when `rows` is given."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.models import User
from catalog.models import (
    Movie,
    PriceCard,
    PriceCardLine,
    Screen,
    Seat,
    SeatCategory,
    Show,
    Theatre,
)
from catalog.scheduling import ends_of


class UserFactory(DjangoModelFactory[User]):
    """`password` is hashed; without one the user cannot log in, but has tokens."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    # Not random ones, which may contain what a test does not expect on a page.
    name = factory.Iterator(("Bea Clark", "Cal Dunmore", "Dag Ekman", "Gus Harlow", "Kit Mercer"))
    email = factory.Sequence(lambda n: f"person{n}@example.com")

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        return model_class.objects.create_user(*args, **kwargs)


class MovieFactory(DjangoModelFactory[Movie]):
    class Meta:
        model = Movie

    title = factory.Sequence(lambda n: f"Movie {n:03}")
    description = "Somebody wants something and meets obstacles."
    duration_minutes = 100
    certificate = "PG"
    language = "en"
    genres = ["Drama"]


class TheatreFactory(DjangoModelFactory[Theatre]):
    class Meta:
        model = Theatre

    name = factory.Sequence(lambda n: f"Theatre {n:03}")
    location = "1 Main Street"
    timezone = "America/New_York"
    currency = "USD"


class ScreenFactory(DjangoModelFactory[Screen]):
    class Meta:
        model = Screen

    theatre = factory.SubFactory(TheatreFactory)
    name = factory.Sequence(lambda n: f"Screen {n}")
    layout = "A  SSSS..SSSS\nB  SSSS..SSSS\nC  PPPP..PPWC\n"
    turnaround_minutes = 20


class PriceCardFactory(DjangoModelFactory[PriceCard]):
    """A card with one price for every category."""

    class Meta:
        model = PriceCard
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Card {n}")

    @factory.post_generation
    def lines(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        for category, price in zip(
            SeatCategory.values, ("12.00", "15.00", "9.00", "9.00"), strict=True
        ):
            PriceCardLine.objects.create(price_card=self, category=category, price=price)


class ShowFactory(DjangoModelFactory[Show]):
    """A show tomorrow, without a screen, open for sale."""

    class Meta:
        model = Show

    movie = factory.SubFactory(MovieFactory)
    theatre = factory.SubFactory(TheatreFactory)
    start_time = factory.LazyFunction(lambda: timezone.now() + timedelta(days=1))
    planned_utc_offset = factory.LazyAttribute(
        lambda show: show.start_time.astimezone(show.theatre.zone).utcoffset()
    )
    end_time = factory.LazyAttribute(lambda show: show.start_time + timedelta(minutes=100))


def planned_show(*, screen: Screen | None = None, **facts: Any) -> Show:
    """Plan a show on a screen, with the ends that its movie and screen currently imply."""
    if screen:
        facts.setdefault("theatre", screen.theatre)
    show: Show = ShowFactory.build(screen=screen, **facts)
    show.end_time, show.occupied_until = ends_of(
        movie=show.movie, screen=screen, start_time=show.start_time
    )
    show.save()
    return show


class SeatFactory(DjangoModelFactory[Seat]):
    class Meta:
        model = Seat

    show = factory.SubFactory(ShowFactory)
    row = "A"
    number = factory.Sequence(lambda n: n + 1)
    price = Decimal("12.00")


def make_seats(show: Show, *rows: str, price: str = "12.00") -> list[Seat]:
    """Give the show a seat for each cell of `rows`, front to back, and return them by id.

    A row is written as in a layout, without its label: rows are called A, B, C …
    """
    kinds = dict(zip("SPWC", SeatCategory.values, strict=True))
    seats = []
    for y, cells in enumerate(rows):
        places = [x for x, cell in enumerate(cells) if cell != "."]
        for number, x in enumerate(places, start=1):
            seats.append(
                Seat(
                    show=show,
                    row=chr(ord("A") + y),
                    number=number,
                    price=Decimal(price),
                    category=kinds[cells[x]],
                    x=x,
                    y=y,
                )
            )
    return Seat.objects.bulk_create(seats)
