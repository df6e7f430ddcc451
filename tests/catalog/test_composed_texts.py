"""Texts that were stored decomposed are rewritten, or listed if staff have to rename them."""

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from booking_site.postgres.sort_keys import sort_key
from bookings.integrity.invariants import examine
from catalog.models import Movie, PriceCard
from tests.factories import MovieFactory, ScreenFactory, TheatreFactory

pytestmark = pytest.mark.django_db

COMPOSED, DECOMPOSED = "Am\u00e9lie", "Ame\u0301lie"


def found_by_doctor(name: str) -> list[str]:
    (finding,) = examine([name])
    return finding.examples


def test_texts_are_rewritten_with_their_sort_keys(capsys: pytest.CaptureFixture[str]) -> None:
    movie = MovieFactory(title=DECOMPOSED, description=DECOMPOSED, genres=[DECOMPOSED])
    screen = ScreenFactory(theatre=TheatreFactory(name=DECOMPOSED), name=DECOMPOSED)
    card = PriceCard.objects.create(name=DECOMPOSED)
    report = [
        f"movie {movie.pk}: rewritten",
        f"theatre {screen.theatre_id}: rewritten",
        f"screen {screen.pk}: rewritten",
        f"price card {card.pk}: rewritten",
    ]
    call_command("compose_texts", dry_run=True)
    assert capsys.readouterr().out.splitlines() == report
    assert sorted(found_by_doctor("texts_composed")) == sorted(
        line.removesuffix(": rewritten") for line in report
    )
    call_command("compose_texts")
    assert capsys.readouterr().out.splitlines() == report
    for row, name in ((movie, "title"), (screen.theatre, "name"), (screen, "name"), (card, "name")):
        row.refresh_from_db()
        assert (getattr(row, name), row.sort_key) == (COMPOSED, sort_key(COMPOSED))
    assert (movie.description, movie.genres) == (COMPOSED, [COMPOSED])
    assert found_by_doctor("texts_composed") == []


def test_a_title_that_another_movie_has_is_reported_to_staff(
    capsys: pytest.CaptureFixture[str], office: Client
) -> None:
    movie = MovieFactory(title=COMPOSED)
    double = MovieFactory(title=DECOMPOSED, description=DECOMPOSED)
    call_command("compose_texts")
    assert capsys.readouterr().out.splitlines() == [
        f"movie {double.pk}: movie {movie.pk} has the same title",
        f"movie {double.pk}: rewritten",
    ]
    double.refresh_from_db()
    assert (double.title, double.description) == (DECOMPOSED, COMPOSED)
    assert found_by_doctor("titles_distinct") == [f"movies {movie.pk}, {double.pk}"]
    office.post(reverse("admin:catalog_movie_delete", args=[double.pk]), {"post": "yes"})
    assert found_by_doctor("titles_distinct") == []


def test_names_of_screens_are_compared_within_a_theatre(
    capsys: pytest.CaptureFixture[str],
) -> None:
    theatre = TheatreFactory()
    first = ScreenFactory(theatre=theatre, name=DECOMPOSED)
    second = ScreenFactory(theatre=theatre, name=COMPOSED)
    elsewhere = ScreenFactory(theatre=TheatreFactory(), name=DECOMPOSED)
    call_command("compose_texts")
    assert capsys.readouterr().out.splitlines() == [
        f"screen {first.pk}: screen {second.pk} has the same name",
        f"screen {elsewhere.pk}: rewritten",
    ]


def test_a_genre_is_stored_and_found_in_either_form(office: Client, api: APIClient) -> None:
    office.post(reverse("admin:catalog_movie_add"), {"title": "New", "genres": DECOMPOSED})
    assert Movie.objects.get().genres == [COMPOSED]
    for genre in (COMPOSED, DECOMPOSED):
        assert len(api.get("/api/movies", {"genre": genre}).json()) == 1
