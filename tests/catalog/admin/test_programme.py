"""The week view and its planning pages: local times, access by theatre, previews."""

from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import ensure_roles
from catalog.models import Movie, PriceCard, Screen, Seat, Show, ShowStatus, Theatre
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    TheatreFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

WEEK, PLAN, COPY, OPEN = (
    f"/admin/catalog/show/{page}/" for page in ("week", "plan", "copy-week", "open-week")
)
MONDAY = date(2031, 5, 5)


@pytest.fixture
def theatre() -> Theatre:
    return TheatreFactory(name="Rex", timezone="Europe/Vienna")


@pytest.fixture
def screens(theatre: Theatre) -> list[Screen]:
    return [ScreenFactory(theatre=theatre, name=f"Room {n}", layout="A SSP\n") for n in (1, 2)]


@pytest.fixture
def card() -> PriceCard:
    return PriceCardFactory()


@pytest.fixture
def movie() -> Movie:
    return MovieFactory(title="Vertigo", duration_minutes=100)


@pytest.fixture
def programmer(client: Client, theatre: Theatre) -> Client:
    ensure_roles()
    user: User = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name="Programmer"))
    user.theatres.add(theatre)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def at(page: str, theatre: Theatre, monday: date = MONDAY) -> str:
    return f"{page}?theatre={theatre.pk}&week={monday}"


def plan_form(
    movie: Movie, screens: list[Screen], card: PriceCard | None, **other: Any
) -> dict[str, Any]:
    return {
        "movie": movie.pk,
        "screens": [screen.pk for screen in screens],
        "days": [str(MONDAY), str(MONDAY + timedelta(days=1))],
        "times": "17:00, 20.15",
        "price_card": card.pk if card else "",
        "format": "2D",
        "status": "planned",
        **other,
    }


def test_a_programmer_plans_copies_and_opens_a_week(
    programmer: Client, theatre: Theatre, screens: list[Screen], card: PriceCard, movie: Movie
) -> None:
    data = plan_form(movie, screens, card)
    page = programmer.post(at(PLAN, theatre), data)
    assert "8 shows with 24 seats" in page.text
    assert not Show.objects.exists()
    page = programmer.post(at(PLAN, theatre), data | {"confirm": "yes"})
    assert "8 shows created with 24 seats" in page.text
    show = Show.objects.earliest("pk")
    assert show.start_time == datetime(2031, 5, 5, 15, tzinfo=UTC)
    assert (show.status, show.language) == ("planned", movie.language)
    page = programmer.post(at(PLAN, theatre), data | {"confirm": "yes"})
    assert "Already exists: 8" in page.text
    assert Show.objects.count() == 8

    data = {
        "to_week": "2031-05-14",
        "weekdays": [0, 1, 2],
        "screens": [screens[0].pk],
        "status": "open",
    }
    assert (
        "4 shows with 12 seats in the week of Mon 12 May 2031"
        in programmer.post(at(COPY, theatre), data).text
    )
    assert Show.objects.count() == 8
    programmer.post(at(COPY, theatre), data | {"confirm": "yes"})
    assert Show.objects.filter(status=ShowStatus.OPEN).count() == 4

    page = programmer.post(at(OPEN, theatre), follow=True)
    assert "Shows opened for sale: 8." in page.text
    assert not Show.objects.filter(status=ShowStatus.PLANNED).exists()


def test_a_week_is_shown_in_local_time(
    programmer: Client, theatre: Theatre, screens: list[Screen], card: PriceCard, movie: Movie
) -> None:
    programmer.post(at(PLAN, theatre), plan_form(movie, screens, card, confirm="yes"))
    page = programmer.get(at(WEEK, theatre)).text
    assert 'title="Vertigo, 17:00 to 18:40, Planned, 0 of 3 sold"' in page
    assert "<span>10</span>" in page
    assert "<span>09</span>" not in page
    show = Show.objects.earliest("pk")
    assert f"/admin/catalog/show/{show.pk}/change/" in page


def test_the_default_is_the_current_week_of_the_first_theatre(
    programmer: Client, theatre: Theatre
) -> None:
    TheatreFactory(name="Alhambra")
    context = programmer.get(WEEK).context
    assert context["place"].theatre == theatre
    assert context["place"].monday == context["place"].this_monday
    assert context["place"].theatres == [theatre]


def test_staff_without_a_theatre_see_no_week(programmer: Client, theatre: Theatre) -> None:
    theatre.staff.clear()
    assert "No theatre yet" in programmer.get(WEEK).text
    assert programmer.get(PLAN).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("page", [WEEK, PLAN, COPY])
def test_other_theatres_are_not_found(page: str, programmer: Client) -> None:
    assert programmer.get(at(page, TheatreFactory())).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    "query", ["week=soon", "week=2031-02-31", "week=0001-01-01", "theatre=x", "theatre=9e9"]
)
def test_an_invalid_query_is_404(query: str, programmer: Client) -> None:
    assert programmer.get(f"{WEEK}?{query}").status_code == HTTPStatus.NOT_FOUND


def test_a_screen_of_another_theatre_cannot_be_chosen(
    programmer: Client, theatre: Theatre, screens: list[Screen], card: PriceCard, movie: Movie
) -> None:
    page = programmer.post(
        at(PLAN, theatre), plan_form(movie, [ScreenFactory()], card, confirm="yes")
    )
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "screens" in page.context["form"].errors


def test_staff_with_view_permission_cannot_plan(
    client: Client, theatre: Theatre, screens: list[Screen], card: PriceCard, movie: Movie
) -> None:
    ensure_roles()
    usher: User = UserFactory(is_staff=True)
    usher.groups.add(Group.objects.get(name="Usher"))
    usher.theatres.add(theatre)
    client.force_login(usher, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(at(WEEK, theatre))
    assert "Plan shows" not in page.text
    for address in (PLAN, COPY, OPEN):
        answer = client.post(at(address, theatre), plan_form(movie, screens, card, confirm="yes"))
        assert answer.status_code == HTTPStatus.FORBIDDEN
    assert not Show.objects.exists()


@pytest.mark.parametrize(
    ("flaw", "field", "sentence"),
    [
        ({"times": "17:00 late"}, "times", "“late”"),
        ({"times": ""}, "times", "Enter times"),
        ({"times": "", "first": "10:00", "last": "22:00"}, "spacing", "together"),
        (
            {"times": "", "first": "22:00", "last": "10:00", "spacing": 60},
            "last",
            "before the first",
        ),
        ({"days": ["2031-06-05"]}, "days", "not one of the available"),
        ({"times": "", "first": "06:00", "last": "05:55", "spacing": 5}, "__all__", "500"),
    ],
)
def test_errors_are_shown_at_their_field(
    flaw: dict[str, Any],
    field: str,
    sentence: str,
    programmer: Client,
    theatre: Theatre,
    screens: list[Screen],
    card: PriceCard,
    movie: Movie,
) -> None:
    page = programmer.post(at(PLAN, theatre), plan_form(movie, screens, card, **flaw))
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert sentence in page.context["form"].errors[field][0]


def test_times_are_computed_from_first_last_and_spacing(
    programmer: Client, theatre: Theatre, screens: list[Screen], card: PriceCard, movie: Movie
) -> None:
    spaced = {"times": "", "first": "18:00", "last": "00:30", "spacing": 130}
    page = programmer.post(at(PLAN, theatre), plan_form(movie, screens[:1], card, **spaced))
    clocks = [f"{line.wall_clock:%d %H:%M}" for line in page.context["lines"]]
    assert clocks[:4] == ["05 18:00", "05 20:10", "05 22:20", "06 00:30"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"to_week": "2031-05-08"}, "different week"),
        ({"to_week": "2131-05-08"}, "this century"),
        ({"to_week": "2031-05-14"}, "no shows"),
    ],
)
def test_copying_needs_a_different_week_and_shows_to_copy(
    data: dict[str, str], sentence: str, programmer: Client, theatre: Theatre, screens: list[Screen]
) -> None:
    choice = {"weekdays": [0], "screens": [screens[0].pk], "status": "open"}
    page = programmer.post(at(COPY, theatre), choice | data)
    assert sentence in str(page.context["form"].errors)


def test_an_ambiguous_local_time_asks_which_one(
    programmer: Client, theatre: Theatre, screens: list[Screen], card: PriceCard, movie: Movie
) -> None:
    address = at(PLAN, theatre, date(2031, 10, 20))
    data = plan_form(movie, screens[:1], card, days=["2031-10-25"], times="02:30")
    page = programmer.post(address, data)
    assert page.context["asks_fold"]
    assert "Create" not in page.text
    page = programmer.post(address, data | {"fold": "1", "confirm": "yes"})
    assert "1 show created with 3 seats" in page.text
    assert Show.objects.get().start_time == datetime(2031, 10, 26, 1, 30, tzinfo=UTC)


def test_the_preview_shows_warnings(
    programmer: Client, theatre: Theatre, screens: list[Screen], movie: Movie
) -> None:
    page = programmer.post(at(PLAN, theatre), plan_form(movie, screens, None, times="23:00"))
    assert "No price card, so no seat map is created." in page.text
    assert "Runs past midnight, until 00:40." in page.text


def test_query_count_of_a_week_does_not_grow_with_its_shows(
    programmer: Client, theatre: Theatre, screens: list[Screen], card: PriceCard, movie: Movie
) -> None:
    programmer.post(
        at(PLAN, theatre), plan_form(movie, screens[:1], card, times="10:00", confirm="yes")
    )
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            programmer.get(at(WEEK, theatre))
        counts.append(len(queries))
        programmer.post(at(PLAN, theatre), plan_form(movie, screens, card, confirm="yes"))
    assert counts[0] == counts[1] <= 9
    assert Seat.objects.count() == 3 * 10


@pytest.mark.parametrize(
    ("page", "entry"), [(WEEK, "Week"), (PLAN, "Week"), ("/admin/catalog/show/", "Shows")]
)
def test_exactly_one_sidebar_entry_is_active(page: str, entry: str, programmer: Client) -> None:
    groups = programmer.get(page).context["sidebar_navigation"]
    assert [i["title"] for group in groups for i in group["items"] if i["active"]] == [entry]
