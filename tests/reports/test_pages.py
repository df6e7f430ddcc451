"""The dashboard and the reports page: permissions, query counts, errors of the form."""

import csv
import io
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from accounts.models import User
from accounts.roles import ROLES, ensure_roles
from bookings.models import Channel
from catalog.models import Seat, Show, Theatre
from reports import dashboard
from tests.factories import PriceCardFactory, ShowFactory, TheatreFactory, UserFactory, make_seats
from tests.reports.sold import played, sell

pytestmark = pytest.mark.django_db

EVENING = datetime(2026, 3, 10, 19, tzinfo=UTC)
SPAN = {"first": "2026-03-10", "last": "2026-03-11"}
INDEX = "/admin/"
REPORTS = "/admin/reports/"


def log_in(client: Client, role: str) -> User:
    ensure_roles()
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


def queries_for(client: Client, address: str, query: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address, query).status_code == HTTPStatus.OK
    return len(queries)


def make_busy_day(theatre: Theatre, shows: int) -> None:
    now = timezone.now() - timedelta(minutes=1)  # now() is the start of the test's transaction
    for hour in range(shows):
        sell(played(now - timedelta(hours=hour), "SSSS", theatre=theatre), 2)
        sell(played(now - timedelta(days=7, hours=hour), "SSSS", theatre=theatre), 1)
        ShowFactory(theatre=theatre, start_time=now + timedelta(hours=hour + 1), end_time=None)


def test_gross_and_average_price_are_grouped_by_thousands(client: Client) -> None:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    theatre = TheatreFactory(timezone="UTC", currency="JPY")
    sell(played(EVENING, "SS", price="1500", theatre=theatre), 2)
    page = client.get(REPORTS, SPAN | {"by": "theatre"}).text
    assert "<td>3,000 JPY</td>" in page
    assert "<td>1,500 JPY</td>" in page


@pytest.mark.parametrize("role", ROLES)
def test_figures_need_the_permission_to_view_reports(role: str, client: Client) -> None:
    user = log_in(client, role)
    theatre = TheatreFactory()
    theatre.staff.add(user)
    make_busy_day(theatre, 1)
    allowed = "reports.view_reports" in ROLES[role]
    page = client.get(INDEX)
    assert "Today&#x27;s shows" in page.text or "Today's shows" in page.text
    assert ("weeks" in page.context) == allowed
    assert ("20.00" in page.text) == allowed
    expected = HTTPStatus.OK if allowed else HTTPStatus.FORBIDDEN
    assert client.get(REPORTS).status_code == expected
    assert (REPORTS in page.text) == allowed


@pytest.mark.parametrize("address", [INDEX, REPORTS])
def test_query_count_of_a_page_does_not_grow_with_the_chain(address: str, office: Client) -> None:
    make_busy_day(TheatreFactory(), 2)
    office.get(address)
    few = queries_for(office, address, {})
    for _ in range(3):
        make_busy_day(TheatreFactory(), 4)
    assert queries_for(office, address, {}) == few <= 11


def test_another_theatre_is_not_found_on_the_dashboard(client: Client) -> None:
    user = log_in(client, "Manager")
    mine, other = TheatreFactory(name="Rex"), TheatreFactory(name="Roxy")
    mine.staff.add(user)
    make_busy_day(other, 1)
    page = client.get(INDEX)
    assert page.context["theatre"] == mine
    assert "Roxy" not in page.text
    for theatre in (other.pk, 0, "x", "\0"):
        answer = client.get(INDEX, {"theatre": theatre})
        assert answer.status_code == HTTPStatus.NOT_FOUND
    assert client.get(INDEX, {"theatre": mine.pk}).status_code == HTTPStatus.OK


def test_other_theatres_are_neither_reported_nor_offered(client: Client) -> None:
    user = log_in(client, "Manager")
    mine, other = TheatreFactory(name="Rex"), TheatreFactory(name="Roxy")
    mine.staff.add(user)
    for theatre in (mine, other):
        sell(played(EVENING, "SS", theatre=theatre), 1)
    page = client.get(REPORTS, SPAN | {"by": "theatre"})
    assert [line.label for line in page.context["report"].lines] == ["Rex"]
    assert "Roxy" not in page.text
    refused = client.get(REPORTS, SPAN | {"theatre": other.pk})
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Choose a theatre from the list." in refused.text


def test_staff_without_a_theatre_see_no_figures(client: Client) -> None:
    log_in(client, "Usher")
    TheatreFactory()
    assert "No theatre yet" in client.get(INDEX).text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"first": "2026-03-12", "last": "2026-03-11"}, "last day is before the first"),
        ({"first": "2020-01-01", "last": "2026-03-11"}, "at most three years"),
        ({"first": "yesterday", "last": "2026-03-11"}, "Enter a valid date"),
        ({"first": "2026-02-30", "last": "2026-03-11"}, "Enter a valid date"),
        ({"by": "director"}, "Select a valid choice"),
        ({"theatre": "x"}, "Choose a theatre from the list."),
        ({"theatre": "\0"}, "Null characters are not allowed"),
        ({"download": "pdf"}, "Select a valid choice"),
        ({"first": "0001-01-01", "last": "0001-01-02"}, "years from 1900 to 2199"),
        ({"first": "9999-12-30", "last": "9999-12-31"}, "years from 1900 to 2199"),
    ],
)
def test_an_invalid_report_shows_an_error_at_its_field(
    query: dict[str, str], message: str, office: Client
) -> None:
    answer = office.get(REPORTS, SPAN | query)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert message in answer.text


@pytest.mark.parametrize(
    ("zone", "day"), [("Pacific/Auckland", "2026-03-11"), ("America/New_York", "2026-03-10")]
)
def test_a_report_ends_by_default_with_the_business_day_of_the_theatre(
    zone: str, day: str, office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    TheatreFactory(timezone=zone)
    monkeypatch.setattr(timezone, "now", lambda: EVENING)
    assert office.get(REPORTS).context["form"]["last"].value() == day


def test_days_without_shows_are_an_empty_page_with_advice(office: Client) -> None:
    answer = office.get(REPORTS, SPAN)
    assert answer.status_code == HTTPStatus.OK
    assert answer.context["report"].lines == []


@pytest.mark.parametrize("by", ["film", "theatre", "screen", "day", "channel", "certificate"])
def test_every_report_has_charts_and_definitions(by: str, office: Client) -> None:
    show = played(EVENING, "SSSS", movie__title="<b>Vertigo</b>", theatre__timezone="UTC")
    sell(show, 1)
    sell(show, 2, channel=Channel.BOX_OFFICE)
    page = office.get(REPORTS, SPAN | {"by": by})
    assert len(page.context["charts"]) == 2
    assert "30.00 USD" in page.text
    assert "75.0 %" in page.text
    assert "<b>Vertigo" not in page.text
    assert "Admissions divided by seats for sale." in page.text


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_report_is_downloaded_without_formulas(kind: str, office: Client) -> None:
    sell(played(EVENING, "SSSS", movie__title="=SUM(A1)", theatre__timezone="UTC"), 2)
    answer = office.get(REPORTS, SPAN | {"download": kind})
    assert f'filename="film-2026-03-10-to-2026-03-11.{kind}"' in answer["Content-Disposition"]
    if kind == "csv":
        [headings, line, total] = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
        assert line == ["'=SUM(A1)", "USD", "1", "2", "20.00", "4", "50.0", "10.00"]
    else:
        sheet = load_workbook(io.BytesIO(answer.content)).worksheets[0]
        [headings, line, total] = [[cell.value for cell in row] for row in sheet.rows]
        assert line == ["'=SUM(A1)", "USD", 1, 2, 20, 4, 50, 10]
    assert headings[:4] == ["Movie", "Currency", "Shows", "Admissions"]
    assert total[0] == "Total"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_week_is_compared_up_to_the_same_moment(zone: str) -> None:
    theatre = TheatreFactory(timezone=zone)
    now = timezone.now()
    minute = timedelta(minutes=1)
    week = timedelta(days=7)
    sell(played(now - minute, "SSS", theatre=theatre), 3)
    sell(played(now - week - minute, "SS", theatre=theatre), 2)
    sell(played(now - week + 5 * minute, "S", theatre=theatre), 1)  # had not begun by then
    [found] = dashboard.weeks([theatre])
    assert found.today.admissions == found.this_week.admissions == 3
    assert found.same_day.admissions == found.last_week.admissions == 2


def test_the_week_starts_on_monday_at_six() -> None:
    now, before = TheatreFactory(timezone="UTC"), TheatreFactory(timezone="UTC")
    today = dashboard.business_day_of(now)
    monday = today - timedelta(days=today.weekday())
    opening = datetime.combine(monday, time(6), UTC)
    for theatre, start in ((now, opening), (before, opening - timedelta(days=7))):
        sell(played(start - timedelta(minutes=1), "S", theatre=theatre), 1)
        sell(played(start, "SS", theatre=theatre), 2)
    found = {week.theatre: week for week in dashboard.weeks([now, before])}
    assert found[now.name].this_week.admissions == 2
    assert found[before.name].last_week.admissions == 2


def test_weeks_are_in_the_order_of_the_theatres() -> None:
    for name in ("Zenith", "Élysée"):
        theatre = TheatreFactory(name=name, timezone="UTC")
        sell(played(timezone.now() - timedelta(minutes=1), "S", theatre=theatre), 1)
    found = dashboard.weeks(Theatre.objects.all())
    assert [week.theatre for week in found] == ["Élysée", "Zenith"]


def test_todays_shows_have_their_occupancy(office: Client) -> None:
    theatre = TheatreFactory()
    show = ShowFactory(theatre=theatre, start_time=timezone.now(), end_time=None)
    make_seats(show, "SSSSS")
    sell(show, 2)
    Seat.objects.filter(show=show, number=5).update(status="blocked")
    [entry] = office.get(INDEX).context["shows_today"]
    assert (entry["show"], entry["sold"], entry["seats"], entry["fill"]) == (show, 2, 4, 50)


def test_shows_that_need_attention_have_a_reason() -> None:
    theatre = TheatreFactory()
    soon = timezone.now() + timedelta(hours=2)
    card = PriceCardFactory()
    well = ShowFactory(theatre=theatre, start_time=soon, end_time=None, price_card=card)
    make_seats(well, "SS")
    sell(well, 1)
    premiere = ShowFactory(theatre=theatre, start_time=soon, end_time=None, price_card=card)
    make_seats(premiere, "S")
    second = ShowFactory(
        theatre=theatre,
        movie=premiere.movie,
        start_time=soon + timedelta(hours=3),
        end_time=None,
        sales_close_at=timezone.now() + timedelta(minutes=50),
    )
    at_once = timezone.now() + timedelta(minutes=55)
    first = ShowFactory(theatre=theatre, start_time=at_once, end_time=None, price_card=card)
    make_seats(first, "SS")
    sell(first, 1)
    ShowFactory(theatre=theatre, status="cancelled", start_time=soon, end_time=None)
    ShowFactory(start_time=soon, end_time=None)  # elsewhere
    found = dashboard.shows_needing_attention(Theatre.objects.filter(pk=theatre.pk))
    assert [
        (show, {name for name in dashboard.WARNINGS if getattr(show, name)}) for show in found
    ] == [
        (first, {"closing_soon"}),
        (premiere, {"unsold_premiere"}),
        (second, {"no_seat_map", "no_price_card", "closing_soon"}),
    ]
    assert Show.objects.count() == 6


def test_the_dashboard_links_to_what_needs_attention(office: Client) -> None:
    show = ShowFactory()
    page = office.get(INDEX).text
    assert "has no seat map" in page
    assert reverse("admin:catalog_show_change", args=[show.pk]) in page
