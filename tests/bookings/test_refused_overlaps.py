"""Shows refused because their screen was occupied: recorded, and listed until resolved."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.roles import ensure_roles
from catalog.models import Movie, RefusedOverlap, Screen, Show, Theatre
from catalog.refused_overlaps import record_overlaps, unresolved_overlaps
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    TheatreFactory,
    UserFactory,
    planned_show,
)

pytestmark = pytest.mark.django_db

IN_A_WEEK = timezone.now().date() + timedelta(days=7)
EVENING = datetime.combine(IN_A_WEEK, time(20), UTC)
AN_HOUR = timedelta(hours=1)
SHOWS = "/admin/catalog/show/"


@pytest.fixture
def screen() -> Screen:
    return ScreenFactory(theatre__name="Rex", theatre__timezone="UTC", name="Room 1")


@pytest.fixture
def psycho() -> Movie:
    return MovieFactory(title="Psycho", duration_minutes=100)


@pytest.fixture
def rival(screen: Screen) -> Show:
    """A show that every plan of these tests would overlap."""
    movie = MovieFactory(title="Vertigo", duration_minutes=100)
    return planned_show(movie=movie, theatre=screen.theatre, screen=screen, start_time=EVENING)


@pytest.fixture
def programmer(client: Client, screen: Screen) -> Client:
    return at_work(client, screen.theatre)


def at_work(client: Client, theatre: Theatre) -> Client:
    ensure_roles()
    user = UserFactory(is_staff=True, name="Pia")
    user.groups.add(Group.objects.get(name="Programmer"))
    user.theatres.add(theatre)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def refused() -> list[tuple[str, str, datetime, str]]:
    return [
        (row.movie.title, row.screen.name, row.start_time, row.in_the_way)
        for row in RefusedOverlap.objects.all()
    ]


def bulk(browser: Client, movie: Movie, screen: Screen, **other: str) -> Any:
    week = f"theatre={screen.theatre_id}&week={IN_A_WEEK}"
    form = {"movie": movie.pk, "screens": screen.pk, "days": str(IN_A_WEEK), "times": "20:30"}
    return browser.post(f"{SHOWS}plan/?{week}", form | {"format": "2D", "status": "open"} | other)


def copy(browser: Client, movie: Movie, screen: Screen, **other: str) -> Any:
    week_before = EVENING - timedelta(days=7) + AN_HOUR / 2
    planned_show(movie=movie, theatre=screen.theatre, screen=screen, start_time=week_before)
    week = f"theatre={screen.theatre_id}&week={week_before:%Y-%m-%d}"
    form = {"to_week": str(IN_A_WEEK), "weekdays": IN_A_WEEK.weekday(), "screens": screen.pk}
    return browser.post(f"{SHOWS}copy-week/?{week}", form | {"status": "open"} | other)


def show_form(browser: Client, movie: Movie, screen: Screen, **other: str) -> Any:
    return browser.post(
        f"{SHOWS}add/",
        {
            "movie": movie.pk,
            "theatre": screen.theatre_id,
            "screen": screen.pk,
            "start_date": str(IN_A_WEEK),
            "start_time": "20:30",
            "status": "open",
            "format": "2D",
        },
    )


def move(browser: Client, movie: Movie, screen: Screen, **other: str) -> Any:
    theatre, later = screen.theatre, EVENING + 5 * AN_HOUR
    show = planned_show(movie=movie, theatre=theatre, screen=screen, start_time=later)
    to = {"screen": screen.pk, "start_0": str(IN_A_WEEK), "start_1": "20:30"}
    to |= {"start_date": str(IN_A_WEEK), "start_time": "20:30"}
    to |= {"seen": "of the preview"} if other else {}
    return browser.post(f"{SHOWS}{show.pk}/move/", to | {"reason": "As requested"})


@pytest.mark.parametrize("way", [bulk, copy, show_form, move])
def test_a_refusal_is_on_the_dashboard_whichever_page_planned_it(
    way: Callable[..., Any], programmer: Client, screen: Screen, psycho: Movie, rival: Show
) -> None:
    answer = way(programmer, psycho, screen, confirm="yes")
    assert "Vertigo" in answer.text
    [(title, name, start, in_the_way)] = refused()
    assert (title, name, start) == ("Psycho", "Room 1", EVENING + AN_HOUR / 2)
    assert in_the_way.startswith("“Vertigo” on ")
    page = programmer.get("/admin/").text
    assert "Scheduling conflicts" in page
    assert "Psycho" in page
    assert "Pia" in page
    monday = IN_A_WEEK - timedelta(days=IN_A_WEEK.weekday())
    address = f"{SHOWS}week/?theatre={screen.theatre_id}&amp;week={monday}"
    assert address in page
    assert programmer.get(address.replace("&amp;", "&")).context["week"].blocks


@pytest.mark.parametrize("way", [bulk, copy])
def test_a_preview_records_no_refusal(
    way: Callable[..., Any], programmer: Client, screen: Screen, psycho: Movie, rival: Show
) -> None:
    assert "Conflict" in way(programmer, psycho, screen).text
    assert "is taken then" in move(programmer, psycho, screen).text
    assert refused() == []


def test_a_conflict_within_a_plan_is_not_recorded(
    programmer: Client, screen: Screen, psycho: Movie
) -> None:
    page = bulk(programmer, psycho, screen, times="14:00, 15:00", confirm="yes")
    assert "Conflict" in page.text
    assert refused() == []


def test_a_repeated_refusal_is_listed_once(
    programmer: Client, screen: Screen, psycho: Movie, rival: Show
) -> None:
    bulk(programmer, psycho, screen, confirm="yes")
    earlier = RefusedOverlap.objects.get().refused_at
    bulk(programmer, psycho, screen, confirm="yes")
    assert RefusedOverlap.objects.get().refused_at > earlier


def wanted(movie: Movie, screen: Screen, rival: Show, *, by: User, at: datetime = EVENING) -> None:
    show = Show(movie=movie, theatre=screen.theatre, screen=screen, start_time=at)
    record_overlaps(actor=by, overlaps=[(show, [rival])])


@pytest.mark.parametrize(
    ("offset", "is_settled"),
    [(AN_HOUR, True), (-AN_HOUR, True), (AN_HOUR + timedelta(minutes=1), False)],
)
def test_a_show_near_that_time_resolves_a_refusal_on_any_screen(
    offset: timedelta, is_settled: bool, screen: Screen, psycho: Movie, rival: Show
) -> None:
    other = ScreenFactory(theatre=screen.theatre)
    wanted(psycho, screen, rival, by=UserFactory())
    theatres = Theatre.objects.all()
    assert unresolved_overlaps(theatres).count() == 1
    show = planned_show(
        movie=psycho, theatre=screen.theatre, screen=other, start_time=EVENING + offset
    )
    assert unresolved_overlaps(theatres).exists() != is_settled
    Show.objects.filter(pk=show.pk).update(status="cancelled")
    assert unresolved_overlaps(theatres).exists()


def test_an_older_show_or_another_movie_or_theatre_resolves_nothing(
    screen: Screen, psycho: Movie, rival: Show
) -> None:
    other = ScreenFactory(theatre=screen.theatre)
    planned_show(movie=psycho, theatre=screen.theatre, screen=other, start_time=EVENING)
    wanted(psycho, screen, rival, by=UserFactory())
    planned_show(movie=psycho, theatre=TheatreFactory(), start_time=EVENING)
    planned_show(movie=MovieFactory(), theatre=screen.theatre, start_time=EVENING)
    assert unresolved_overlaps(Theatre.objects.all()).count() == 1


@pytest.mark.parametrize(
    "too_late",
    [
        {"start_time": timezone.now() - timedelta(minutes=1)},
        {"refused_at": timezone.now() - timedelta(days=8)},
    ],
)
def test_past_and_old_refusals_are_not_listed(
    too_late: dict[str, datetime], screen: Screen, psycho: Movie, rival: Show
) -> None:
    wanted(psycho, screen, rival, by=UserFactory())
    assert unresolved_overlaps(Theatre.objects.all()).exists()
    RefusedOverlap.objects.update(**too_late)
    assert not unresolved_overlaps(Theatre.objects.all()).exists()


def test_a_refusal_is_listed_only_in_its_theatre(
    programmer: Client, screen: Screen, psycho: Movie, rival: Show
) -> None:
    elsewhere = ScreenFactory(theatre__name="Roxy")
    wanted(psycho, elsewhere, rival, by=UserFactory())
    assert programmer.get("/admin/").context["conflicts"] == []
    assert "Roxy" not in programmer.get("/admin/").text
    at_work(programmer, elsewhere.theatre)
    assert len(programmer.get("/admin/").context["conflicts"]) == 1


def test_query_count_does_not_grow_with_the_refusals_and_their_list_is_limited(
    programmer: Client, screen: Screen, psycho: Movie, rival: Show
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            programmer.get("/admin/")
        return len(captured)

    queries()
    wanted(psycho, screen, rival, by=UserFactory())
    few = queries()
    for number in range(25):
        at = EVENING + number * 3 * AN_HOUR
        wanted(
            MovieFactory(), ScreenFactory(theatre=screen.theatre), rival, by=UserFactory(), at=at
        )
    assert queries() == few
    page = programmer.get("/admin/")
    assert len(page.context["conflicts"]) == 20
    assert "Only the first 20 are listed" in page.text
