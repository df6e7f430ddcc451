"""The public catalogue API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from booking_site.api.fields import utc_text
from catalog.models import Seat, SeatStatus, Show, ShowStatus
from catalog.serializers import ShowSerializer
from tests.catalog.test_seat_maps import hold, sell
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    make_seats,
)

pytestmark = pytest.mark.django_db


def read(api: APIClient, address: str, **query: Any) -> Any:
    response = api.get(address, query)
    assert response.status_code == 200, response.content
    return response.json()


def ids(api: APIClient, address: str, **query: Any) -> list[int]:
    return [item["id"] for item in read(api, address, **query)]


def problem(api: APIClient, address: str, **query: Any) -> tuple[int, str, list[str]]:
    response = api.get(address, query)
    document = response.json()
    return response.status_code, document["code"], list(document.get("errors", ()))


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


def test_movies_are_listed_by_title_with_all_fields(api: APIClient) -> None:
    late = MovieFactory(title="Zebra", release_date="2026-01-31", poster_url="https://x.test/p")
    early = MovieFactory(title="Aardvark", duration_minutes=None, genres=[])
    listed = read(api, "/api/movies")
    assert [movie["id"] for movie in listed] == [early.pk, late.pk]
    stamp = listed[1].pop("created_at")
    assert stamp.endswith("Z")
    assert datetime.fromisoformat(stamp) == late.created_at
    assert listed[1].pop("updated_at").endswith("Z")
    assert listed[1] == {
        "id": late.pk,
        "title": "Zebra",
        "description": late.description,
        "duration_minutes": 100,
        "certificate": "PG",
        "language": "en",
        "genres": ["Drama"],
        "poster_url": "https://x.test/p",
        "release_date": "2026-01-31",
    }
    assert (listed[0]["duration_minutes"], listed[0]["release_date"]) == (None, None)
    assert read(api, f"/api/movies/{early.pk}") == listed[0]


def test_movies_are_searched_by_title_and_description(api: APIClient) -> None:
    title = MovieFactory(title="The 100% Lighthouse", description="")
    description = MovieFactory(title="Other", description="A lighthouse keeper.")
    MovieFactory(title="Else", description="")
    assert set(ids(api, "/api/movies", search="LIGHTHOUSE")) == {title.pk, description.pk}
    assert ids(api, "/api/movies", search="100%") == [title.pk]


def test_genre_filters_ignore_case(api: APIClient) -> None:
    movie = MovieFactory(genres=["Science Fiction", "Drama"])
    MovieFactory(genres=["Science"])
    assert ids(api, "/api/movies", genre="science fiction") == [movie.pk]


def test_movie_filters_must_match_the_same_show(api: APIClient) -> None:
    here, there = TheatreFactory(timezone="UTC"), TheatreFactory(timezone="UTC")
    both, apart, past, planned = MovieFactory.create_batch(4)
    day = in_days(3).date()
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    ShowFactory(movie=both, theatre=here, start_time=noon)
    ShowFactory(movie=apart, theatre=there, start_time=noon)
    ShowFactory(movie=apart, theatre=here, start_time=noon + timedelta(days=1))
    ShowFactory(movie=past, theatre=here, start_time=in_days(-1))
    ShowFactory(movie=planned, theatre=here, start_time=noon, status=ShowStatus.PLANNED)

    assert ids(api, "/api/movies", theatre=here.pk, date=day) == [both.pk]
    assert ids(api, "/api/movies", date=day) == [both.pk, apart.pk]
    assert ids(api, "/api/movies", theatre=here.pk) == [both.pk, apart.pk, past.pk]
    assert ids(api, "/api/movies", theatre=here.pk, now_showing="true") == [both.pk, apart.pk]
    assert ids(api, "/api/movies", now_showing="true") == [both.pk, apart.pk]
    assert len(ids(api, "/api/movies", now_showing="false")) == 4


@pytest.mark.parametrize(
    ("zone", "start", "day", "other"),
    [
        ("Pacific/Kiritimati", "2031-03-01T10:00:00Z", "2031-03-02", "2031-03-01"),
        ("Pacific/Kiritimati", "2031-03-01T09:59:00Z", "2031-03-01", "2031-03-02"),
        ("Pacific/Pago_Pago", "2031-03-02T10:59:00Z", "2031-03-01", "2031-03-02"),
        ("America/New_York", "2031-03-02T04:30:00Z", "2031-03-01", "2031-03-02"),
    ],
)
def test_a_date_is_a_local_calendar_day(
    api: APIClient, zone: str, start: str, day: str, other: str
) -> None:
    show = ShowFactory(theatre__timezone=zone, start_time=datetime.fromisoformat(start))
    for address, item in (
        ("/api/shows", show),
        ("/api/movies", show.movie),
        (f"/api/movies/{show.movie_id}/shows", show),
        (f"/api/theatres/{show.theatre_id}/shows", show),
    ):
        assert ids(api, address, date=day) == [item.pk]
        assert ids(api, address, date=other) == []


def test_theatres_are_listed_by_name(api: APIClient) -> None:
    second = TheatreFactory(name="Roxy", timezone="Europe/Vienna", currency="EUR")
    first = TheatreFactory(name="Apollo")
    listed = read(api, "/api/theatres")
    assert [theatre["id"] for theatre in listed] == [first.pk, second.pk]
    assert (
        listed[1].items()
        >= {
            "name": "Roxy",
            "location": "1 Main Street",
            "timezone": "Europe/Vienna",
            "currency": "EUR",
        }.items()
    )
    assert listed[1]["created_at"].endswith("Z")
    assert read(api, f"/api/theatres/{first.pk}") == listed[0]


def test_a_show_has_its_time_place_and_number_of_available_seats(api: APIClient) -> None:
    theatre = TheatreFactory(timezone="Asia/Kolkata", currency="INR")
    show = ShowFactory(
        theatre=theatre,
        screen=ScreenFactory(theatre=theatre, name="Big"),
        start_time=datetime(2031, 1, 1, 20, 0, tzinfo=UTC),
        occupied_until=datetime(2031, 1, 1, 22, 0, tzinfo=UTC),
        language="hi",
    )
    make_seats(show, "SS", price="150.00")
    expected = {
        "id": show.pk,
        "movie_id": show.movie_id,
        "movie_title": show.movie.title,
        "theatre_id": theatre.pk,
        "theatre_name": theatre.name,
        "screen_name": "Big",
        "start_time": "2031-01-01T20:00:00Z",
        "end_time": "2031-01-01T21:40:00Z",
        "local_start_time": "2031-01-02T01:30:00+05:30",
        "timezone": "Asia/Kolkata",
        "format": "2D",
        "language": "hi",
        "status": "open",
        "bookable": True,
        "sales_open_at": None,
        "sales_close_at": None,
        "cancellable_until": "2031-01-01T19:00:00Z",
        "hold_policy": {"minutes": 10, "max_seats": 10, "gap_rule": "off"},
        "seats_total": 2,
        "seats_available": 2,
        "price_from": "150.00",
        "prices_from": {"standard": "150.00"},
        "currency": "INR",
        "layout_fingerprint": read(api, f"/api/shows/{show.pk}/layout")["fingerprint"],
        "seats_events_url": None,
        "updated_at": utc_text(Show.objects.get().updated_at),
    }
    assert expected.keys() == ShowSerializer().fields.keys()
    assert read(api, f"/api/shows/{show.pk}") == expected
    assert read(api, "/api/shows") == [expected]
    assert read(api, f"/api/movies/{show.movie_id}/shows") == [expected]
    assert read(api, f"/api/theatres/{theatre.pk}/shows") == [expected]


def test_available_seats_are_those_that_can_be_booked_now(api: APIClient) -> None:
    show = ShowFactory()
    sold, held, blocked, lapsed, free = make_seats(show, "SSSSS")
    Seat.objects.filter(pk__in=[sold.pk, held.pk, blocked.pk]).update(price="5.00")
    for seat in (sold, held, blocked, lapsed):
        seat.refresh_from_db()
    sell(sold)
    hold(held, minutes=5)
    hold(lapsed, minutes=-1)
    blocked.status = SeatStatus.BLOCKED
    blocked.save()
    facts = ("seats_total", "seats_available", "price_from")
    assert [read(api, f"/api/shows/{show.pk}")[fact] for fact in facts] == [5, 2, "12.00"]
    Seat.objects.filter(pk=lapsed.pk).update(price="7.50")
    assert read(api, f"/api/shows/{show.pk}")["price_from"] == "7.50"
    for seat in (lapsed, free):
        seat.hold_id = seat.held_until = None
        sell(seat)
    assert [read(api, f"/api/shows/{show.pk}")[fact] for fact in facts] == [5, 0, None]


def test_a_show_inserted_by_plain_sql_has_no_end_screen_or_seats(api: APIClient) -> None:
    show = ShowFactory(end_time=None)
    answer = read(api, f"/api/shows/{show.pk}")
    names = ("end_time", "screen_name", "seats_total", "seats_available", "price_from")
    assert [answer[name] for name in names] == [None, None, 0, 0, None]


@pytest.fixture
def programme() -> dict[str, Show]:
    movie, theatre = MovieFactory(), TheatreFactory()
    starts = {"late": 2, "soon": 1, "past": -1, "planned": 1, "cancelled": 1}
    statuses = {"planned": ShowStatus.PLANNED, "cancelled": ShowStatus.CANCELLED}
    return {
        name: ShowFactory(
            movie=movie,
            theatre=theatre,
            start_time=in_days(days).replace(microsecond=0),
            status=statuses.get(name, ShowStatus.OPEN),
        )
        for name, days in starts.items()
    }


@pytest.fixture(params=["all", "movie", "theatre"])
def shows_address(request: pytest.FixtureRequest, programme: dict[str, Show]) -> str:
    show = programme["soon"]
    return {
        "all": "/api/shows",
        "movie": f"/api/movies/{show.movie_id}/shows",
        "theatre": f"/api/theatres/{show.theatre_id}/shows",
    }[request.param]


def test_upcoming_open_shows_are_listed_by_start(
    api: APIClient, programme: dict[str, Show], shows_address: str
) -> None:
    upcoming = [programme["soon"].pk, programme["late"].pk]
    assert ids(api, shows_address) == upcoming
    assert ids(api, shows_address, include_past="false") == upcoming
    assert ids(api, shows_address, include_past="true") == [programme["past"].pk, *upcoming]


def test_from_is_inclusive_and_to_is_exclusive(
    api: APIClient, programme: dict[str, Show], shows_address: str
) -> None:
    soon, late = programme["soon"], programme["late"]
    window = {"from": soon.start_time.isoformat(), "to": late.start_time.isoformat()}
    assert ids(api, shows_address, **window) == [soon.pk]
    window = {"from": late.start_time.isoformat(), "to": in_days(9).isoformat()}
    assert ids(api, shows_address, **window) == [late.pk]


def test_shows_are_filtered_by_movie_and_theatre(
    api: APIClient, programme: dict[str, Show]
) -> None:
    mine, other = programme["soon"], ShowFactory()
    for name, movie, theatre in (
        ("/api/shows", mine.movie_id, other.theatre_id),
        ("/api/shows", other.movie_id, mine.theatre_id),
    ):
        assert ids(api, name, movie=movie, theatre=theatre) == []
    assert ids(api, "/api/shows", movie=other.movie_id) == [other.pk]
    assert ids(api, "/api/shows", theatre=other.theatre_id) == [other.pk]
    assert ids(api, f"/api/movies/{mine.movie_id}/shows", theatre=other.theatre_id) == []
    assert ids(api, f"/api/theatres/{mine.theatre_id}/shows", movie=other.movie_id) == []


@pytest.mark.parametrize("stored", ["Français", "FRANÇAIS"])
@pytest.mark.parametrize("typed", ["Français", "FRANÇAIS", "francais", " franc\u0327ais "])
def test_languages_are_filtered_without_case_and_accents(
    api: APIClient, stored: str, typed: str
) -> None:
    show = ShowFactory(language=stored, movie__language=stored, start_time=in_days(2))
    ShowFactory(language="fr", movie__language="", start_time=in_days(2))
    assert ids(api, "/api/movies", language=typed) == [show.movie_id]
    for address in (
        "/api/shows",
        f"/api/movies/{show.movie_id}/shows",
        f"/api/theatres/{show.theatre_id}/shows",
    ):
        assert ids(api, address, language=typed) == [show.pk]


def test_formats_are_filtered_without_case(api: APIClient) -> None:
    imax = ShowFactory(format="IMAX", language="en", start_time=in_days(2))
    other = ShowFactory(
        movie=imax.movie, theatre=imax.theatre, language="en", start_time=in_days(3)
    )
    for address in (
        "/api/shows",
        f"/api/movies/{imax.movie_id}/shows",
        f"/api/theatres/{imax.theatre_id}/shows",
    ):
        assert ids(api, address, format="imax") == [imax.pk]
        assert ids(api, address, format="2d", language="EN") == [other.pk]
        assert ids(api, address, format="3D") == ids(api, address, format="IMAX 2") == []
        assert ids(api, address, format="", language="") == [imax.pk, other.pk]


def test_a_planned_show_is_404_and_a_cancelled_one_has_its_status(
    api: APIClient, programme: dict[str, Show]
) -> None:
    planned, cancelled = programme["planned"], programme["cancelled"]
    assert problem(api, f"/api/shows/{planned.pk}") == (404, "show_not_found", [])
    assert read(api, f"/api/shows/{cancelled.pk}")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/api/movies/{id}", "movie_not_found"),
        ("/api/movies/{id}/shows", "movie_not_found"),
        ("/api/theatres/{id}", "theatre_not_found"),
        ("/api/theatres/{id}/shows", "theatre_not_found"),
        ("/api/shows/{id}", "show_not_found"),
    ],
)
@pytest.mark.parametrize("pk", [0, 999_999, 2**53 - 1])
def test_missing_objects_have_their_own_codes(
    api: APIClient, address: str, code: str, pk: int
) -> None:
    assert problem(api, address.format(id=pk)) == (404, code, [])


def test_without_shows_the_list_is_empty(api: APIClient) -> None:
    assert read(api, f"/api/movies/{MovieFactory().pk}/shows") == []
    assert read(api, f"/api/theatres/{TheatreFactory().pk}/shows") == []


@pytest.mark.parametrize(
    ("address", "field", "value"),
    [
        ("/api/movies", "search", "x" * 201),
        ("/api/movies", "search", "a\x00b"),
        ("/api/movies", "genre", "\x00"),
        ("/api/movies", "theatre", "1.5"),
        ("/api/movies", "theatre", str(2**53)),
        ("/api/movies", "date", "2026-02-30"),
        ("/api/movies", "now_showing", "1"),
        ("/api/shows", "movie", "-1"),
        ("/api/shows", "theatre", "x"),
        ("/api/shows", "date", "tomorrow"),
        ("/api/shows", "date", "0001-01-01"),
        ("/api/shows", "from", "2026-01-01T00:00:00"),
        ("/api/shows", "to", "9999-12-31T23:59:59-23:59"),
        ("/api/shows", "include_past", "yes"),
        ("/api/shows", "updated_since", "2026-01-01T00:00:00"),
        ("/api/movies", "updated_since", "yesterday"),
        ("/api/theatres", "updated_since", "2026-01-01"),
        ("/api/theatres", "page_size", "501"),
    ],
)
def test_an_invalid_filter_is_named(api: APIClient, address: str, field: str, value: str) -> None:
    assert problem(api, address, **{field: value}) == (400, "validation_failed", [field])


def test_query_count_of_a_list_does_not_grow_with_its_length(
    api: APIClient, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    theatre = TheatreFactory()
    screen = ScreenFactory(theatre=theatre)
    movie = MovieFactory()
    addresses = {
        "/api/movies": 2,  # the version of the cached list, and the list
        f"/api/movies?now_showing=true&theatre={theatre.pk}": 1,
        "/api/theatres": 2,
        "/api/shows": 1,
        f"/api/movies/{movie.pk}/shows": 1,
        f"/api/theatres/{theatre.pk}/shows": 1,
    }
    for address in addresses:
        read(api, address)
    for day in (1, 2, 3):
        for show in (
            ShowFactory(
                movie=movie,
                theatre=theatre,
                screen=screen,
                start_time=in_days(day),
                occupied_until=in_days(day + 0.1),
            ),
            ShowFactory(start_time=in_days(day)),
        ):
            make_seats(show, "SSS")
        for address, queries in addresses.items():
            with django_assert_max_num_queries(queries):
                assert read(api, address)
    show = Show.objects.earliest("pk")
    for address in (f"/api/movies/{movie.pk}", f"/api/theatres/{theatre.pk}"):
        with django_assert_max_num_queries(1):
            read(api, address)
    with django_assert_max_num_queries(1):
        read(api, f"/api/shows/{show.pk}")


def test_pages_have_a_stable_order_and_the_total(api: APIClient) -> None:
    shows = [ShowFactory(start_time=in_days(day)) for day in (1, 2, 3)]
    response = api.get("/api/shows", {"page": 2, "page_size": 2})
    assert [show["id"] for show in response.json()] == [shows[2].pk]
    assert response["X-Total-Count"] == "3"


def test_lists_are_read_only(customer: APIClient) -> None:
    for address in ("/api/movies", "/api/theatres", "/api/shows"):
        assert customer.post(address, {}, format="json").status_code == 405
