"""Lists sort names and titles by the Unicode Collation Algorithm."""

from operator import attrgetter
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.postgres.sort_keys import sort_key
from bookings.models import Hold, Order
from catalog.exchange.tables import MovieTable, PriceCardTable, ScreenTable
from catalog.models import Movie, PriceCard, Screen, Show, Theatre
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    UserFactory,
    planned_show,
)

pytestmark = pytest.mark.django_db

IN_ORDER = [
    "'71",
    "10 Things",
    "9 Songs",
    "A Star",
    "Abend",
    "Ähre",
    "Élite",
    "eXistenZ",
    "Existenz 2",
    "Łódź",
    "œuvre",
    "Zodiac",
    "Ψυχή",
    "Война",
    "千と千尋",
]
MIXED = sorted(IN_ORDER)  # by code point: Élite stands after Zodiac


def test_the_order_of_the_test_is_not_that_of_code_points() -> None:
    assert MIXED != IN_ORDER


def test_the_api_lists_movies_by_title(api: APIClient) -> None:
    for title in MIXED:
        MovieFactory(title=title)
    assert [movie["title"] for movie in api.get("/api/movies").json()] == IN_ORDER
    filtered = api.get("/api/movies", {"genre": "drama"}).json()
    assert [movie["title"] for movie in filtered] == IN_ORDER


def test_the_api_lists_theatres_by_name(api: APIClient) -> None:
    Theatre.objects.bulk_create(Theatre(name=name) for name in MIXED)
    assert [theatre["name"] for theatre in api.get("/api/theatres").json()] == IN_ORDER


def test_the_back_office_and_exports_list_names_in_order(office: Client, staff: User) -> None:
    theatre = TheatreFactory(name="Roxy")
    for name in MIXED:
        MovieFactory(title=name)
        ScreenFactory(theatre=theatre, name=name)
        PriceCard.objects.create(name=name)
    for model, table in ((Movie, MovieTable), (Screen, ScreenTable), (PriceCard, PriceCardTable)):
        column = "title" if model is Movie else "name"
        assert [getattr(row, column) for row in table(user=staff).accessible()] == IN_ORDER
        page = office.get(reverse(f"admin:catalog_{model._meta.model_name}_changelist"))
        assert [getattr(row, column) for row in page.context["cl"].result_list] == IN_ORDER


@pytest.mark.parametrize("way", ["", "-"])
def test_columns_of_the_back_office_sort_names_in_order(office: Client, way: str) -> None:
    theatre = TheatreFactory(name="Roxy")
    for name in MIXED:
        screen = ScreenFactory(theatre=theatre, name=name)
        planned_show(movie=MovieFactory(title=name), screen=screen)
        PriceCard.objects.create(name=name)
        TheatreFactory(name=name)
    for model, column, name in (
        (Movie, "title", "title"),
        (Theatre, "name", "name"),
        (Screen, "name", "name"),
        (PriceCard, "name", "name"),
        (Show, "title", "movie.title"),
    ):
        names = map(attrgetter(name), sorted_by(office, model, f"{way}{column}"))
        expected = IN_ORDER[::-1] if way else IN_ORDER
        assert [each for each in names if each != "Roxy"] == expected, model


def test_columns_without_a_key_sort_without_case_and_accents(office: Client) -> None:
    names = ["'Abba", "Élodie", "eve", "Zoe", "Ωμέγα"]
    show = ShowFactory()
    for number, name in enumerate(sorted(names)):
        user = UserFactory(name=name)
        now = timezone.now()
        Hold.objects.create(
            user=user, show=show, seat_ids=[1], created_at=now, expires_at=now, max_expires_at=now
        )
        Order.objects.create(
            reference=f"ABCD-234{number + 5}",
            show=show,
            total=0,
            currency="USD",
            **({"user": user} if number % 2 else {"customer_name": name, "channel": "box_office"}),
        )
        TheatreFactory(name="Roxy", location=name)
    for model, column, name in (
        (User, "name", "name"),
        (Theatre, "location", "location"),
        (Hold, "customer", "user.name"),
    ):
        found = map(attrgetter(name), sorted_by(office, model, column))
        assert [each for each in found if each in names] == names, model
    orders = sorted_by(office, Order, "buyer")
    assert [order.user.name if order.user else order.customer_name for order in orders] == names


def sorted_by(office: Client, model: type[Any], column: str) -> list[Any]:
    """Return the rows of the list of that model, sorted by the column as a click on it does."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    name = column.removeprefix("-")
    number = office.get(address).context["cl"].list_display.index(name)
    page = office.get(address, {"o": column.replace(name, str(number))})
    return list(page.context["cl"].result_list)


def test_screens_sort_by_theatre_first() -> None:
    for theatre in ("Zenith", "Élysée"):
        ScreenFactory(theatre=TheatreFactory(name=theatre), name="Screen 1")
    assert [screen.theatre.name for screen in Screen.objects.all()] == ["Élysée", "Zenith"]


def test_a_changed_title_has_a_new_key() -> None:
    movie = MovieFactory(title="Zodiac")
    movie.title = "Élite"
    movie.save()
    movie.refresh_from_db()
    assert movie.sort_key == sort_key("Élite")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO movies (title) VALUES ('Élite')",
        "UPDATE movies SET title = 'Élite' WHERE title = 'Abend'",
    ],
)
def test_the_worker_stores_the_keys_of_titles_that_plain_sql_wrote(statement: str) -> None:
    MovieFactory(title="Abend")
    last = MovieFactory(title="Zodiac")
    with connection.cursor() as cursor:
        cursor.execute(statement)
    changed = Movie.objects.get(title="Élite")
    assert changed.sort_key is None
    assert list(Movie.objects.all())[-1] == changed
    call_command("store_sort_keys", verbosity=0)
    assert list(Movie.objects.all())[-2:] == [changed, last]
    assert Movie.objects.get(pk=changed.pk).updated_at == changed.updated_at


def test_an_unchanged_title_keeps_its_key() -> None:
    movie = MovieFactory(title="Abend")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE movies SET title = title, description = 'New'")
    assert Movie.objects.get(pk=movie.pk).sort_key == sort_key("Abend")
