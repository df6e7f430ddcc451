"""What one anonymous read may cost: rows per page, and reads per address."""

import time
from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from rest_framework.test import APIClient

from tests.factories import MovieFactory, ShowFactory, TheatreFactory, make_seats
from tests.query_plans import rows_read, statements_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sixty_shows() -> None:
    movie, theatre = MovieFactory(), TheatreFactory()
    for _ in range(60):
        make_seats(ShowFactory(movie=movie, theatre=theatre), "SSS")


@pytest.mark.usefixtures("sixty_shows")
@pytest.mark.parametrize(("query", "shows"), [("", 50), ("?page=2", 10), ("?page_size=7", 7)])
def test_a_page_of_shows_reads_the_seats_of_that_page_only(
    api: APIClient, query: str, shows: int
) -> None:
    with statements_of(frozenset({"seats"})) as statements:
        answer = api.get(f"/api/shows{query}")
    assert (len(answer.json()), answer["X-Total-Count"]) == (shows, "60")
    assert [rows_read(each, "seats") for each in statements] == [3 * shows]


@pytest.mark.usefixtures("sixty_shows")
def test_the_lists_that_clients_do_not_page_are_longer(api: APIClient) -> None:
    (show, *_) = api.get("/api/shows").json()
    assert len(api.get(f"/api/movies/{show['movie_id']}/shows").json()) == 60
    assert len(api.get(f"/api/theatres/{show['theatre_id']}/shows").json()) == 50
    MovieFactory.create_batch(60)
    TheatreFactory.create_batch(60)
    assert len(api.get("/api/movies").json()) == 61
    assert len(api.get("/api/theatres").json()) == 50


def limit_reads(settings: Any, rate: str | None) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "read": rate}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


def public_reads() -> list[str]:
    show = ShowFactory()
    make_seats(show, "S")
    return [
        "/api/movies",
        f"/api/movies/{show.movie_id}",
        f"/api/movies/{show.movie_id}/shows",
        "/api/theatres",
        f"/api/theatres/{show.theatre_id}",
        f"/api/theatres/{show.theatre_id}/shows",
        "/api/shows",
        f"/api/shows/{show.pk}",
        f"/api/shows/{show.pk}/seats",
    ]


def test_all_public_reads_share_one_limit_per_address(
    api: APIClient, customer: APIClient, settings: Any
) -> None:
    paths = public_reads()
    limit_reads(settings, "2/day")
    assert [api.get("/api/shows").status_code for _ in range(2)] == [200, 200]
    for client in (api, customer):
        for path in paths:
            refused = client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
            assert 1 <= int(refused["Retry-After"]) <= 24 * 60 * 60
    assert api.get(paths[0], REMOTE_ADDR="192.0.2.1").status_code == 200


def test_an_empty_rate_lifts_the_limit(api: APIClient, settings: Any) -> None:
    limit_reads(settings, None)
    assert {api.get("/api/movies").status_code for _ in range(5)} == {200}


def test_a_read_is_counted_even_if_its_window_ends_meanwhile(
    api: APIClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_reads(settings, "2/min")
    clock = [600.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    assert api.get("/api/movies").status_code == 200
    clock[0] = 659.9
    count = LocMemCache.incr

    def count_later(*arguments: Any, **named: Any) -> int:
        clock[0] = 660.1
        return count(*arguments, **named)

    monkeypatch.setattr(LocMemCache, "incr", count_later)
    assert api.get("/api/movies").status_code == 200
