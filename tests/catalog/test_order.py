"""Lists sort names and titles by the Unicode Collation Algorithm."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.postgres.sort_keys import sort_key
from catalog.exchange.tables import MovieTable, PriceCardTable, ScreenTable
from catalog.models import Movie, PriceCard, Screen, Theatre
from tests.factories import MovieFactory, ScreenFactory, TheatreFactory

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
