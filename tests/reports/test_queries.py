"""Admissions, gross, occupancy and average price, and their groups."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from bookings.models import Booking, Channel
from catalog.models import Seat, Show, Theatre
from reports.queries import Dimension, Report, report
from tests.factories import MovieFactory, ScreenFactory, TheatreFactory, UserFactory
from tests.reports.sold import played, sell

pytestmark = pytest.mark.django_db

EVENING = datetime(2026, 3, 10, 19, tzinfo=UTC)
DAY = EVENING.date()


def report_by(dimension: Dimension, first: date = DAY, last: date = DAY) -> Report:
    return report(dimension=dimension, theatres=Theatre.objects.all(), first=first, last=last)


def labels(dimension: Dimension) -> dict[str, int]:
    return {line.label: line.figures.admissions for line in report_by(dimension).lines}


def test_the_figures_of_one_show_follow_their_definitions():
    show = played(EVENING, "SSSSSSSSSS", theatre__timezone="UTC")
    Seat.objects.filter(show=show, number__gt=8).update(status="blocked")
    sell(show, 2)
    given_back = sell(show, 1)
    Booking.objects.filter(pk=given_back[0].pk).update(cancelled_at=timezone.now())
    sell(show, 1, channel=Channel.BOX_OFFICE)

    [line] = report_by(Dimension.MOVIE).lines
    figures = line.figures
    assert (line.label, line.currency) == (show.movie.title, "USD")
    assert (figures.shows, figures.seats, figures.admissions) == (1, 8, 3)
    assert (figures.gross, line.average_price) == (Decimal("30.00"), Decimal("10.00"))
    assert figures.occupancy == Decimal("37.5")


def test_equal_figures_are_sorted_by_label() -> None:
    for title in ("Zodiac", "Élite", "eXistenZ"):
        sell(played(EVENING, "S", theatre__timezone="UTC", movie__title=title), 1)
    assert list(labels(Dimension.MOVIE)) == ["Élite", "eXistenZ", "Zodiac"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "cancelled"},
        {"start_time": timezone.now() + timedelta(hours=1), "end_time": None},
    ],
)
def test_cancelled_and_upcoming_shows_have_no_figures(change):
    show = played(EVENING, "SS")
    sell(show, 1)
    Show.objects.filter(pk=show.pk).update(**change)
    day = timezone.localdate()
    assert report_by(Dimension.MOVIE, DAY, day + timedelta(days=2)).lines == []


@pytest.mark.parametrize(
    ("zone", "local", "day"),
    [
        ("Europe/Vienna", "2026-03-10 05:59", "2026-03-09"),
        ("Europe/Vienna", "2026-03-10 06:00", "2026-03-10"),
        ("Pacific/Kiritimati", "2026-03-11 05:59", "2026-03-10"),
        ("Pacific/Kiritimati", "2026-03-10 06:00", "2026-03-10"),
        ("Pacific/Pago_Pago", "2026-03-11 05:59", "2026-03-10"),
        ("Pacific/Pago_Pago", "2026-03-10 06:00", "2026-03-10"),
        # The night in which clocks are put forward, and one in which they are put back.
        ("Europe/Vienna", "2026-03-29 05:59", "2026-03-28"),
        ("Australia/Sydney", "2026-04-05 05:59", "2026-04-04"),
    ],
)
def test_a_show_belongs_to_the_business_day_of_its_theatre(zone, local, day):
    theatre = TheatreFactory(timezone=zone)
    start = datetime.fromisoformat(local).replace(tzinfo=theatre.zone)
    sell(played(start, "S", theatre=theatre), 1)
    asked = date.fromisoformat(day)
    [line] = report_by(Dimension.DAY, asked, asked).lines
    assert line.label == day
    for other in (asked - timedelta(days=1), asked + timedelta(days=1)):
        assert report_by(Dimension.DAY, other, other).lines == []


def test_each_dimension_groups_by_its_column():
    screen = ScreenFactory(name="One", theatre__name="Rex", theatre__timezone="UTC")
    theatre = screen.theatre
    movie = MovieFactory(title="Vertigo", certificate="PG")
    first = played(EVENING, "SSS", theatre=theatre, movie=movie)
    Show.objects.filter(pk=first.pk).update(screen=screen, occupied_until=first.end_time)
    sell(first, 2)
    sell(first, 1, channel=Channel.BOX_OFFICE)
    second = played(EVENING, "SS", theatre=theatre, movie__title="Psycho", movie__certificate="")
    sell(second, 1)

    assert labels(Dimension.MOVIE) == {"Vertigo": 3, "Psycho": 1}
    assert labels(Dimension.THEATRE) == {"Rex": 4}
    assert labels(Dimension.SCREEN) == {"Rex, One": 3, "Rex, no screen": 1}
    assert labels(Dimension.DAY) == {"2026-03-10": 4}
    assert labels(Dimension.CHANNEL) == {"Web": 3, "Box office": 1}
    assert labels(Dimension.CERTIFICATE) == {"PG": 3, "No certificate": 1}


def test_two_movies_with_the_same_title_are_two_lines():
    for _ in range(2):
        sell(played(EVENING, "S", movie__title="Dune", theatre__timezone="UTC"), 1)
    assert [line.label for line in report_by(Dimension.MOVIE).lines] == ["Dune", "Dune"]


def test_channels_share_the_seats_and_add_up_to_the_total():
    show = played(EVENING, "SSSS", theatre__timezone="UTC")
    sell(show, 2)
    sell(show, 1, channel=Channel.BOX_OFFICE)
    found = report_by(Dimension.CHANNEL)
    assert [line.figures.occupancy for line in found.lines] == [Decimal(50), Decimal(25)]
    [total] = found.totals
    assert (total.figures.shows, total.figures.seats) == (1, 4)
    assert (total.figures.occupancy, total.figures.gross) == (Decimal(75), Decimal(30))


def test_currencies_are_never_added_up():
    movie = MovieFactory()
    for currency in ("EUR", "JPY"):
        theatre = TheatreFactory(timezone="UTC", currency=currency)
        sell(played(EVENING, "SS", theatre=theatre, movie=movie), 1)
    found = report_by(Dimension.MOVIE)
    assert [(line.currency, line.figures.gross) for line in found.lines] == [
        ("EUR", Decimal(10)),
        ("JPY", Decimal(10)),
    ]
    assert [(line.currency, line.figures.seats) for line in found.totals] == [
        ("EUR", 2),
        ("JPY", 2),
    ]


def test_figures_have_the_digits_of_their_currency():
    for currency, price in (("JPY", "1000.00"), ("KWD", "4.255")):
        theatre = TheatreFactory(timezone="UTC", currency=currency)
        sell(played(EVENING, "SS", price=price, theatre=theatre), 2)
    found = report_by(Dimension.THEATRE)
    assert [(str(line.figures.gross), str(line.average_price)) for line in found.lines] == [
        ("2000", "1000"),
        ("8.510", "4.255"),
    ]


def test_sales_before_a_change_of_currency_stay_in_the_old_one():
    theatre = TheatreFactory(timezone="UTC", currency="HRK")
    sell(played(EVENING, "SS", theatre=theatre), 1)
    Theatre.objects.update(currency="EUR")
    [line] = report_by(Dimension.THEATRE).lines
    assert (line.currency, line.figures.seats, line.figures.admissions) == ("HRK", 2, 1)


def test_a_seat_sold_by_the_original_system_counts_as_an_admission_without_a_price():
    show = played(EVENING, "SS", theatre__timezone="UTC")
    sell(show, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bookings (user_id, show_id, seat_id) SELECT %s, show_id, id FROM seats"
            " WHERE status = 'available'",
            [UserFactory().pk],
        )
    [line] = report_by(Dimension.MOVIE).lines
    assert (line.figures.admissions, line.figures.priced) == (2, 1)
    assert line.average_price == Decimal("10.00")
    assert "Before this system" in labels(Dimension.CHANNEL)


def test_only_the_chosen_theatres_are_summed_up():
    mine, other = (played(EVENING, "S", theatre__timezone="UTC") for _ in range(2))
    for show in (mine, other):
        sell(show, 1)
    found = report(dimension=Dimension.THEATRE, theatres=[mine.theatre], first=DAY, last=DAY)
    assert [line.label for line in found.lines] == [mine.theatre.name]
    assert report(dimension=Dimension.MOVIE, theatres=[], first=DAY, last=DAY).lines == []
