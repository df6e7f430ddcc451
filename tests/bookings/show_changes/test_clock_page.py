"""Shows keep their local time when the time zone data change, once a manager moves them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from bookings.integrity.invariants import UPCOMING_SHOWS_AS_PLANNED, Severity, examine
from bookings.models import Booking
from catalog.clock_changes import planned_moment, shows_to_move
from catalog.models import Show, ShowStatus, Theatre
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    UserFactory,
    make_seats,
    planned_show,
)

pytestmark = pytest.mark.django_db

PAGE = "/admin/clock-changes/"
START = datetime(2031, 12, 2, 6, 30, tzinfo=UTC)  # 23:30 in Vancouver on the day before
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser(email="boss@example.com", name="Boss"))
    return client


def planned_under_old_data(*starts: datetime, zone: str = "America/Vancouver") -> list[Show]:
    """Plan shows on one screen when winter was still at UTC-08:00: each starts an hour late."""
    screen = ScreenFactory(theatre__timezone=zone)
    shows = []
    for start in starts:
        show = planned_show(movie=MovieFactory(), screen=screen, start_time=start + AN_HOUR)
        show.planned_utc_offset -= AN_HOUR
        show.save()
        shows.append(show)
    return shows


def starts_of(*shows: Show) -> list[datetime]:
    found = dict(Show.objects.values_list("pk", "start_time"))
    return [found[show.pk] for show in shows]


def press(boss: Client, theatre: Theatre) -> int:
    """Press the button of the theatre, and return the status."""
    [seen] = [
        preview["seen"]
        for preview in boss.get(PAGE).context["theatres"]
        if preview["theatre"] == theatre
    ]
    return boss.post(PAGE, {"theatre": theatre.pk, "seen": seen}).status_code


def test_one_press_moves_all_shows_of_a_theatre_to_their_planned_times(boss: Client) -> None:
    # They follow each other directly, so neither could move alone.
    late, early = planned_under_old_data(START, START - timedelta(hours=2))
    [other] = planned_under_old_data(START)
    assert press(boss, late.theatre) == 302
    assert starts_of(late, early, other) == [START, START - timedelta(hours=2), START + AN_HOUR]
    assert {show.theatre for show in shows_to_move(Theatre.objects.all())} == {other.theatre}
    assert AuditEntry.objects.filter(action="show_moved").count() == 2


def test_a_show_whose_planned_time_is_over_stays_and_the_others_move(boss: Client) -> None:
    soon = timezone.now() + timedelta(minutes=30)
    over, later = planned_under_old_data(soon - AN_HOUR, soon + 9 * AN_HOUR)
    assert press(boss, over.theatre) == 302
    assert starts_of(over, later) == [soon, soon + 9 * AN_HOUR]


def test_until_then_every_page_and_response_has_the_instant(boss: Client) -> None:
    [show] = planned_under_old_data(START)
    facts = boss.get(f"/api/shows/{show.pk}").json()
    assert facts["local_start_time"] == "2031-12-02T00:30:00-07:00"
    listed = boss.get("/api/shows?date=2031-12-02").json()
    assert [each["id"] for each in listed] == [show.pk]
    [preview] = boss.get(PAGE).context["theatres"]
    [(_, starts, planned)] = preview["lines"]
    assert "00:30" in starts
    assert "23:30" in planned


def test_customers_are_notified(boss: Client) -> None:
    [show] = planned_under_old_data(START)
    [seat] = make_seats(show, "S")
    Booking.objects.create(user=UserFactory(), show=show, seat=seat, price=seat.price)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE seats SET status = 'booked'")
    press(boss, show.theatre)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_tasks_database_dbtaskresult")
        assert cursor.fetchone() == (1,)


def test_an_outdated_preview_moves_nothing(boss: Client) -> None:
    [show] = planned_under_old_data(START)
    answer = boss.post(PAGE, {"theatre": show.theatre_id, "seen": "something else"})
    assert answer.status_code == 409
    assert starts_of(show) == [START + AN_HOUR]


def test_a_conflict_with_another_show_is_named_and_nothing_moves(boss: Client) -> None:
    [show] = planned_under_old_data(START)
    earlier = START - timedelta(minutes=100)
    planned_show(movie=show.movie, screen=show.screen, start_time=earlier)
    [preview] = boss.get(PAGE).context["theatres"]
    assert preview["refusal"]
    assert "seen" not in preview
    assert starts_of(show) == [START + AN_HOUR]


def test_shows_as_planned_past_cancelled_or_without_an_offset_do_not_move() -> None:
    theatre = TheatreFactory(timezone="America/Vancouver")
    hour = {"theatre": theatre, "planned_utc_offset": -8 * AN_HOUR}
    ShowFactory(theatre=theatre, start_time=START)
    ShowFactory(start_time=datetime(2026, 11, 1, tzinfo=UTC), **hour)
    ShowFactory(start_time=START, status=ShowStatus.CANCELLED, **hour)
    ShowFactory(start_time=START, theatre=theatre, planned_utc_offset=None)
    assert shows_to_move(Theatre.objects.all()) == []
    wrong = ShowFactory(start_time=START, **hour)
    assert shows_to_move(Theatre.objects.all()) == [wrong]


def test_a_planned_time_that_clocks_now_skip_has_no_moment() -> None:
    theatre = TheatreFactory(timezone="Europe/Vienna")
    skipped = datetime(2031, 3, 30, 0, 30, tzinfo=UTC)
    show = ShowFactory(theatre=theatre, start_time=skipped, planned_utc_offset=2 * AN_HOUR)
    assert planned_moment(show) is None


@pytest.mark.parametrize(
    ("start", "nearer"), [("2031-10-25T23:30", "00:30"), ("2031-10-26T02:30", "01:30")]
)
def test_a_planned_time_that_now_occurs_twice_is_the_nearer_occurrence(
    start: str, nearer: str
) -> None:
    theatre = TheatreFactory(timezone="Europe/Vienna")
    offset = datetime.fromisoformat("2031-10-26T02:30") - datetime.fromisoformat(start)
    moment = datetime.fromisoformat(f"{start}Z")
    show = ShowFactory(theatre=theatre, start_time=moment, planned_utc_offset=offset)
    assert planned_moment(show) == datetime.fromisoformat(f"2031-10-26T{nearer}Z")


def test_the_doctor_notes_shows_that_would_move() -> None:
    [show] = planned_under_old_data(START)
    [found] = [each for each in examine() if each.invariant is UPCOMING_SHOWS_AS_PLANNED]
    assert (found.severity, found.examples) == (Severity.NOTE, [f"show {show.pk}"])
