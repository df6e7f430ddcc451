"""The show form: local times, computed end times, and fields locked once seats are sold."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from catalog.models import Movie, Screen, Seat, SeatStatus, Show, ShowStatus
from tests.factories import MovieFactory, ScreenFactory, TheatreFactory, make_seats

ADD = "/admin/catalog/show/add/"


@pytest.fixture
def movie(db: None) -> Movie:
    return MovieFactory(duration_minutes=100)


@pytest.fixture
def screen(db: None) -> Screen:
    return ScreenFactory(theatre__timezone="Europe/Vienna", turnaround_minutes=20)


def typed(movie: Movie, screen: Screen | None, at: str, **other: Any) -> dict[str, Any]:
    """Return the form data; `at` has the format 2027-06-01 20:15."""
    day, clock = at.split()
    theatre = other.pop("theatre", screen and screen.theatre)
    return {
        "movie": movie.pk,
        "theatre": theatre.pk,
        "screen": screen.pk if screen else "",
        "start_date": day,
        "start_time": clock,
        "status": "open",
        "format": "2D",
        **other,
    }


def errors(answer: Any) -> str:
    assert answer.status_code == HTTPStatus.OK
    return str(answer.context["adminform"].form.errors.as_text())


def test_the_start_is_local_time_and_the_ends_are_computed(
    office: Client, movie: Movie, screen: Screen
) -> None:
    office.post(ADD, typed(movie, screen, "2027-06-01 20:15"))
    show = Show.objects.get()
    assert show.start_time == datetime(2027, 6, 1, 18, 15, tzinfo=UTC)
    assert show.planned_utc_offset == timedelta(hours=2)
    assert show.end_time == show.start_time + timedelta(minutes=100)
    assert show.occupied_until == show.start_time + timedelta(minutes=120)


def test_the_form_shows_the_time_as_it_was_entered(
    office: Client, movie: Movie, screen: Screen
) -> None:
    office.post(ADD, typed(movie, screen, "2027-06-01 20:15"))
    page = office.get(reverse("admin:catalog_show_change", args=[Show.objects.get().pk])).text
    assert 'value="2027-06-01"' in page
    assert 'value="20:15"' in page
    assert "Europe/Vienna" in page


def test_a_local_time_that_does_not_exist_is_refused(
    office: Client, movie: Movie, screen: Screen
) -> None:
    answer = office.post(ADD, typed(movie, screen, "2027-03-28 02:30"))
    assert "does not exist on" in errors(answer)
    assert not Show.objects.exists()


@pytest.mark.parametrize(("fold", "hour"), [(0, 0), (1, 1)])
def test_an_ambiguous_local_time_asks_which_one(
    fold: int, hour: int, office: Client, movie: Movie, screen: Screen
) -> None:
    data = typed(movie, screen, "2027-10-31 02:30")
    answer = office.post(ADD, data)
    assert "twice" in errors(answer)
    assert "second (UTC+01:00)" in answer.text
    office.post(ADD, data | {"start_fold": fold})
    show = Show.objects.get()
    assert show.start_time == datetime(2027, 10, 31, hour, 30, tzinfo=UTC)


def test_the_second_of_two_ambiguous_times_survives_another_save(
    office: Client, movie: Movie, screen: Screen
) -> None:
    data = typed(movie, screen, "2027-10-31 02:30", start_fold=1)
    office.post(ADD, data)
    show = Show.objects.get()
    address = reverse("admin:catalog_show_change", args=[show.pk])
    assert 'name="start_fold" value="1"' in office.get(address).text
    office.post(address, data | {"format": "3D"})
    assert Show.objects.get().start_time == show.start_time
    assert Show.objects.get().format == "3D"


def test_the_history_shows_which_of_two_ambiguous_times_a_show_has(
    office: Client, movie: Movie, screen: Screen
) -> None:
    data = typed(movie, screen, "2027-10-31 02:30", start_fold=0)
    office.post(ADD, data)
    address = reverse("admin:catalog_show_change", args=[Show.objects.get().pk])
    office.post(address, data | {"start_fold": 1})
    starts = {entry.action: entry.facts["changes"]["start"] for entry in AuditEntry.objects.all()}
    first, second = "2027-10-31 02:30 UTC+02:00", "2027-10-31 02:30 UTC+01:00"
    assert starts == {"added": [first], "changed": [first, second]}


def test_online_sales_can_end_earlier_in_local_time(
    office: Client, movie: Movie, screen: Screen
) -> None:
    close = {"sales_close_date": "2027-06-01", "sales_close_time": "19:00"}
    office.post(ADD, typed(movie, screen, "2027-06-01 20:15", **close))
    assert Show.objects.get().sales_close_at == datetime(2027, 6, 1, 17, tzinfo=UTC)


def test_online_sales_can_start_later_in_local_time(
    office: Client, movie: Movie, screen: Screen
) -> None:
    opens = {"sales_open_date": "2027-05-25", "sales_open_time": "10:00"}
    office.post(ADD, typed(movie, screen, "2027-06-01 20:15", **opens))
    assert Show.objects.get().sales_open_at == datetime(2027, 5, 25, 8, tzinfo=UTC)
    page = office.get(reverse("admin:catalog_show_change", args=[Show.objects.get().pk])).text
    assert 'value="2027-05-25"' in page
    assert "online from Tue 25 May 2027, 10:00" in office.get("/admin/catalog/show/?when=all").text
    Show.objects.update(sales_open_at=timezone.now() - timedelta(days=1))
    assert "online from" not in office.get("/admin/catalog/show/?when=all").text


@pytest.mark.parametrize(
    "times",
    [
        {"sales_open_date": "2027-06-01", "sales_open_time": "20:15"},
        {
            **{"sales_open_date": "2027-06-01", "sales_open_time": "19:00"},
            **{"sales_close_date": "2027-06-01", "sales_close_time": "19:00"},
        },
    ],
)
def test_online_sales_start_before_they_end(
    office: Client, movie: Movie, screen: Screen, times: dict[str, str]
) -> None:
    answer = office.post(ADD, typed(movie, screen, "2027-06-01 20:15", **times))
    assert "Online sales must start before they end." in errors(answer)
    assert not Show.objects.exists()


@pytest.mark.parametrize("half", [{"start_date": ""}, {"start_time": ""}])
def test_an_incomplete_time_is_refused(
    half: dict[str, str], office: Client, movie: Movie, screen: Screen
) -> None:
    answer = office.post(ADD, typed(movie, screen, "2027-06-01 20:15") | half)
    assert "Enter both the date and the time." in errors(answer)


def test_a_show_needs_a_movie_with_a_duration_before_it_gets_a_screen(
    office: Client, screen: Screen
) -> None:
    answer = office.post(
        ADD, typed(MovieFactory(duration_minutes=None), screen, "2027-06-01 20:15")
    )
    assert "Enter a duration" in errors(answer)


def test_a_show_without_a_screen_needs_no_duration(office: Client) -> None:
    movie = MovieFactory(duration_minutes=None)
    office.post(ADD, typed(movie, None, "2027-06-01 20:15", theatre=TheatreFactory()))
    assert Show.objects.get().end_time is None


def test_a_screen_of_another_theatre_is_refused(
    office: Client, movie: Movie, screen: Screen
) -> None:
    answer = office.post(ADD, typed(movie, screen, "2027-06-01 20:15", theatre=TheatreFactory()))
    assert "is not a screen of" in errors(answer)


def test_a_taken_screen_is_refused_and_the_other_show_named(
    office: Client, movie: Movie, screen: Screen
) -> None:
    office.post(ADD, typed(movie, screen, "2027-06-01 20:00"))
    answer = office.post(ADD, typed(MovieFactory(), screen, "2027-06-01 21:50"))
    assert f"{movie}, Tue 01 Jun 2027 20:00" in errors(answer)
    office.post(ADD, typed(MovieFactory(), screen, "2027-06-01 22:00"))
    assert Show.objects.count() == 2


@pytest.fixture
def sold(office: Client, movie: Movie, screen: Screen) -> Show:
    """A show with one seat sold, its start not on a full minute."""
    office.post(ADD, typed(movie, screen, "2027-06-01 20:15"))
    show = Show.objects.get()
    Show.objects.update(start_time=show.start_time + timedelta(seconds=7))
    make_seats(show, "SS")
    Seat.objects.filter(number=1).update(status=SeatStatus.BOOKED)
    return Show.objects.get()


@pytest.mark.parametrize(
    "change", [{"start_time": "20:30"}, {"status": "cancelled"}, {"status": "planned"}]
)
def test_a_show_with_sales_cannot_change_what_customers_rely_on(
    change: dict[str, str], office: Client, movie: Movie, screen: Screen, sold: Show
) -> None:
    address = reverse("admin:catalog_show_change", args=[sold.pk])
    answer = office.post(address, typed(movie, screen, "2027-06-01 20:15") | change)
    assert "1 seat is sold or held for this show" in errors(answer)
    show = Show.objects.get()
    assert (show.start_time, show.status) == (sold.start_time, ShowStatus.OPEN)


def test_a_show_with_sales_can_change_everything_else_and_preserves_the_seconds_of_its_start(
    office: Client, movie: Movie, screen: Screen, sold: Show
) -> None:
    address = reverse("admin:catalog_show_change", args=[sold.pk])
    office.post(address, typed(movie, screen, "2027-06-01 20:15", format="IMAX"))
    show = Show.objects.get()
    assert (show.start_time, show.format) == (sold.start_time, "IMAX")


def locks(queries: CaptureQueriesContext) -> list[str]:
    """Return the tables whose rows were locked, in order."""
    statements = [query["sql"] for query in queries if "FOR NO KEY UPDATE" in query["sql"]]
    return [sql.rpartition(" OF ")[2].strip('"') for sql in statements]


def test_saving_a_show_waits_for_others_planning_on_its_screen(
    office: Client, movie: Movie, screen: Screen
) -> None:
    with CaptureQueriesContext(connection) as queries:
        office.post(reverse("admin:catalog_show_add"), typed(movie, screen, "2027-06-01 20:15"))
    assert Show.objects.exists()
    assert locks(queries) == ["screens"]


@pytest.mark.parametrize(
    ("change", "locked"),
    [
        ({"sales_close_date": "2027-06-01", "sales_close_time": "19:00"}, ["shows", "seats"]),
        ({"sales_open_date": "2027-05-01", "sales_open_time": "10:00"}, ["shows", "seats"]),
        ({"format": "IMAX"}, ["shows"]),
    ],
)
def test_changing_the_times_of_sales_locks_the_seats_even_if_some_are_sold(
    change: dict[str, str],
    locked: list[str],
    office: Client,
    movie: Movie,
    screen: Screen,
    sold: Show,
) -> None:
    address = reverse("admin:catalog_show_change", args=[sold.pk])
    with CaptureQueriesContext(connection) as queries:
        answer = office.post(address, typed(movie, screen, "2027-06-01 20:15") | change)
    assert answer.status_code == HTTPStatus.FOUND
    assert locks(queries) == locked


def test_an_expired_hold_restricts_nothing(
    office: Client, movie: Movie, screen: Screen, sold: Show
) -> None:
    over = timezone.now() - timedelta(minutes=1)
    Seat.objects.update(status=SeatStatus.HELD, hold_id=uuid4(), held_until=over)
    address = reverse("admin:catalog_show_change", args=[sold.pk])
    office.post(address, typed(movie, screen, "2027-06-01 20:15", status="planned"))
    assert Show.objects.get().status == ShowStatus.PLANNED


def test_a_show_is_cancelled_only_with_a_reason_and_never_reopened(
    office: Client, movie: Movie, screen: Screen
) -> None:
    form = typed(movie, screen, "2027-06-01 20:15")
    assert "not one of the available choices" in errors(
        office.post(ADD, form | {"status": "cancelled"})
    )
    office.post(ADD, form)
    show = Show.objects.get()
    address = reverse("admin:catalog_show_change", args=[show.pk])
    answer = office.post(address, form | {"status": "cancelled"})
    assert "not one of the available choices" in errors(answer)
    Show.objects.update(status=ShowStatus.CANCELLED)
    office.post(address, form | {"format": "IMAX"})
    show.refresh_from_db()
    assert (show.status, show.format) == (ShowStatus.CANCELLED, "IMAX")


def test_a_longer_duration_does_not_change_scheduled_shows(
    office: Client, movie: Movie, screen: Screen
) -> None:
    office.post(ADD, typed(movie, screen, "2027-06-01 20:15"))
    planned = Show.objects.get()
    Movie.objects.update(duration_minutes=200)
    address = reverse("admin:catalog_show_change", args=[planned.pk])
    office.post(address, typed(movie, screen, "2027-06-01 20:15", language="de"))
    show = Show.objects.get()
    assert (show.end_time, show.language) == (planned.end_time, "de")
