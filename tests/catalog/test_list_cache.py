"""Cached lists: the next reader sees whatever changed the table."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from catalog import list_cache
from catalog.models import Movie, Theatre
from tests.factories import MovieFactory, TheatreFactory

pytestmark = pytest.mark.django_db

CHANGES = [
    "INSERT INTO movies (title) VALUES ('New')",
    "UPDATE movies SET title = 'Changed'",
    "DELETE FROM movies",
    "TRUNCATE movies CASCADE",
]


def titles(api: APIClient) -> list[str]:
    return [movie["title"] for movie in api.get("/api/movies").json()]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_plain_sql_is_seen_at_once(api: APIClient, change: str) -> None:
    MovieFactory(title="Old")
    before = api.get("/api/movies")
    assert titles(api) == ["Old"]
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert titles(api) == list(Movie.objects.values_list("title", flat=True)) != ["Old"]
    after = api.get("/api/movies", HTTP_IF_NONE_MATCH=before["ETag"])
    assert (after.status_code, after["X-Total-Count"]) == (200, str(Movie.objects.count()))


def test_theatres_are_cached_apart_from_movies(api: APIClient) -> None:
    theatre = TheatreFactory(name="Old")
    assert [each["name"] for each in api.get("/api/theatres").json()] == ["Old"]
    Theatre.objects.filter(pk=theatre.pk).update(name="New")
    assert [each["name"] for each in api.get("/api/theatres").json()] == ["New"]


def test_a_change_that_is_rolled_back_leaves_nothing(api: APIClient) -> None:
    MovieFactory(title="Old")
    for title in ("Never", "Never again"):
        with transaction.atomic():
            Movie.objects.update(title=title)
            assert titles(api) == [title]
            transaction.set_rollback(True)
        assert titles(api) == ["Old"]


def test_an_unchanged_list_is_one_statement(
    api: APIClient, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    MovieFactory()
    first = api.get("/api/movies")
    with django_assert_max_num_queries(1):
        assert api.get("/api/movies").content == first.content
    with django_assert_max_num_queries(1):
        assert api.get("/api/movies", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304


def test_links_name_the_host_of_the_request(api: APIClient) -> None:
    for host in ("localhost", "127.0.0.1", "localhost"):
        assert f"http://{host}/api/movies" in api.get("/api/movies", HTTP_HOST=host)["Link"]


def test_links_have_the_scheme_of_the_request(api: APIClient) -> None:
    for scheme in ("http", "https", "http"):
        response = api.get("/api/movies", secure=scheme == "https", HTTP_HOST="testserver")
        assert f"<{scheme}://testserver/" in response["Link"]


def test_a_changed_list_has_new_headers(api: APIClient) -> None:
    MovieFactory()
    before = [api.get("/api/movies") for _ in range(2)][-1]
    MovieFactory()
    after = [api.get("/api/movies") for _ in range(2)][-1]
    assert (before["X-Total-Count"], after["X-Total-Count"]) == ("1", "2")
    assert before["ETag"] != after["ETag"]


def test_the_number_of_cached_lists_is_limited() -> None:
    assert list_cache._entry.cache_info().maxsize == 64
