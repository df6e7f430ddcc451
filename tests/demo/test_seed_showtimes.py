"""The invented programme: realistic, repeatable, and safe to repeat."""

import uuid
from datetime import date, datetime, time, timedelta
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import call_command, execute_from_command_line
from django.core.management.base import CommandError
from django.db.models import Count

from bookings.models import Booking, Hold
from catalog.models import (
    GapRule,
    Movie,
    PriceCard,
    Screen,
    Seat,
    SeatCategory,
    SeatStatus,
    Show,
    ShowStatus,
    Theatre,
)
from demo.programme import (
    Programme,
    clear_programme,
    most_shows_per_day,
    seed_programme,
)
from tests.factories import MovieFactory, ShowFactory, UserFactory

pytestmark = pytest.mark.django_db

SMALL = {
    "theatres": 2,
    "screens": 2,
    "movies": 5,
    "days": 2,
    "shows_per_day": 2,
    "start_date": "2031-03-30",  # the clocks go forward in Europe
}


def seed(**options: Any) -> str:
    out = StringIO()
    call_command("seed_showtimes", **(SMALL | options), verbosity=0, stdout=out)
    return out.getvalue()


def programme() -> list[tuple[Any, ...]]:
    shows = Show.objects.order_by("screen__theatre__name", "screen__name", "start_time")
    return list(
        shows.annotate(size=Count("seats")).values_list(
            "theatre__name", "screen__name", "start_time", "movie__title", "format", "size"
        )
    )


def test_it_creates_the_requested_amounts() -> None:
    assert seed() == "Created 2 theatres, 4 screens, 5 movies, 16 shows, 1,400 seats.\n".replace(
        "1,400", f"{Seat.objects.count():,}"
    )
    assert set(Theatre.objects.values_list("gap_rule", flat=True)) == set(GapRule.values)
    assert len(set(Theatre.objects.values_list("timezone", "currency"))) == 2
    assert {size for *_, size in programme()} == {57, 130, 244}
    for show in Show.objects.select_related("theatre", "movie", "screen"):
        assert show.screen is not None
        assert (show.status, show.language) == (ShowStatus.OPEN, show.movie.language)
        assert show.price_card == PriceCard.objects.get(name__startswith=show.theatre.name)
        runs = timedelta(minutes=show.movie.duration_minutes or 0)
        assert show.end_time == show.start_time + runs
        assert show.occupied_until == show.end_time + timedelta(minutes=20)
        prices = dict(show.price_card.lines.values_list("category", "price"))
        assert set(show.seats.values_list("category", "price").distinct()) == set(prices.items())
        assert prices.keys() == set(SeatCategory.values)


def test_shows_start_between_morning_and_late_evening_and_never_overlap() -> None:
    most = most_shows_per_day(movies=24)
    seed(movies=24, screens=5, shows_per_day=most, days=3)
    assert Show.objects.count() == 2 * 5 * 3 * most
    for screen in Screen.objects.select_related("theatre"):
        shows = list(screen.shows.order_by("start_time"))
        starts = [show.start_time.astimezone(screen.theatre.zone) for show in shows]
        assert [show.planned_utc_offset for show in shows] == [at.utcoffset() for at in starts]
        assert all(time(10) <= start.time() <= time(22, 45) for start in starts)
        assert {start.date() for start in starts} == {
            date(2031, 3, 30) + timedelta(days=day) for day in range(3)
        }
        for earlier, later in pairwise(shows):
            assert earlier.occupied_until is not None
            assert earlier.occupied_until <= later.start_time


def test_a_second_run_creates_nothing() -> None:
    seed()
    before = programme()
    assert seed() == "Nothing was missing.\n"
    assert programme() == before


def test_a_larger_run_tops_up_and_changes_nothing() -> None:
    seed()
    before = programme()
    assert seed(days=3, shows_per_day=4, screens=3, movies=7).startswith(
        "Created 2 screens, 2 movies"
    )
    assert set(before) < set(programme())
    assert Show.objects.count() == 2 * 3 * 3 * 4
    assert seed() == "Nothing was missing.\n"


def test_the_seed_decides_the_programme() -> None:
    seed(seed=7)
    first = programme()
    seed(seed=7, clear=True)
    assert programme() == first
    seed(seed=8, clear=True)
    assert programme() != first


def test_shows_planned_by_staff_are_left_alone() -> None:
    seed(days=1)
    screen = Screen.objects.earliest("pk")
    screen.shows.all().delete()
    noon = datetime(2031, 3, 30, 12, tzinfo=screen.theatre.zone)
    own = ShowFactory(
        theatre=screen.theatre,
        screen=screen,
        start_time=noon,
        end_time=None,
        occupied_until=noon + timedelta(hours=9),
    )
    assert seed(days=1).startswith("Created 1 shows")
    assert screen.shows.exclude(pk=own.pk).count() == 1


def test_an_interrupted_run_is_finished_by_the_next() -> None:
    wanted = Programme(
        theatres=2, screens=2, movies=5, days=2, shows_per_day=2, start_date=date(2031, 3, 30)
    )
    steps = []

    class Interrupted(Exception):
        pass

    def interrupt(step: int) -> None:
        steps.append(step)
        if len(steps) == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        seed_programme(wanted, progress=interrupt)
    created = seed_programme(wanted, progress=steps.append)
    assert (created["theatres"], created["shows"]) == (0, 4)
    assert steps == [1] * 7
    assert not Show.objects.filter(seats=None).exists()


def test_clearing_deletes_nothing_else() -> None:
    movie, show = MovieFactory(), ShowFactory()
    seed()
    assert (
        seed(clear=True, theatres=1, screens=1, days=1)
        .splitlines()[0]
        .startswith("Deleted 2 theatres, 5 movies, 16 shows, ")
    )
    assert Show.objects.count() == 3
    assert Show.objects.filter(pk=show.pk).exists()
    assert Movie.objects.filter(pk=movie.pk).exists()


def test_clearing_reports_shows_with_bookings_or_holds_and_does_not_delete_them() -> None:
    seed()
    sold, held = Show.objects.order_by("pk")[:2]
    user = UserFactory()
    seat = sold.seats.earliest("pk")
    Booking.objects.create(user=user, show=sold, seat=seat, price=seat.price)
    seat.status = SeatStatus.BOOKED
    seat.save()
    Hold.objects.create(
        id=uuid.uuid4(),
        user=user,
        show=held,
        seat_ids=[held.seats.earliest("pk").pk],
        expires_at=held.start_time,
        max_expires_at=held.start_time,
    )
    deleted = clear_programme()
    assert (deleted["shows"], deleted["kept_shows"], deleted["theatres"]) == (14, 2, 1)
    assert set(Show.objects.all()) == {sold, held}
    assert Movie.objects.filter(pk=sold.movie_id).exists()
    assert sold.seats.count() == len(set(sold.seats.values_list("row", "number")))
    assert "Not deleted: 2 shows" in seed(clear=True)


def test_clearing_in_production_needs_a_yes(settings: Any) -> None:
    settings.DEVELOPMENT = False
    seed()
    with pytest.raises(CommandError, match="--yes"):
        seed(clear=True)
    assert Show.objects.exists()
    assert "Deleted" in seed(clear=True, yes=True)


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("theatres", 0, "at least 1"),
        ("screens", -1, "at least 1"),
        ("movies", 0, "at least 1"),
        ("days", -5, "at least 1"),
        ("shows_per_day", 0, "at least 1"),
        ("theatres", 101, "at most 100"),
        ("screens", 41, "at most 40"),
        ("movies", 501, "at most 500"),
        ("days", 731, "at most 730"),
        ("shows_per_day", 6, "more --screens"),
        ("start_date", "tomorrow", "2026-11-22"),
        ("start_date", "9999-12-31", "2026-11-22"),
    ],
)
def test_a_bad_argument_is_named_with_its_remedy(option: str, value: Any, remedy: str) -> None:
    name = "--" + option.replace("_", "-")
    with pytest.raises(CommandError, match=rf"^{name} .*{remedy}"):
        seed(**{option: value})
    assert not Theatre.objects.exists()


def test_names_are_numbered_once_all_are_used() -> None:
    seed(theatres=9, movies=25, screens=1, days=1, shows_per_day=1)
    assert Theatre.objects.filter(name="Lantern Picture House 2").exists()
    assert Movie.objects.filter(title="The Salt Cartographer 2").exists()


def test_a_missing_duration_is_explained() -> None:
    seed(days=1)
    Movie.objects.update(duration_minutes=None)
    with pytest.raises(CommandError, match="Enter a duration"):
        seed()


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("seed_showtimes", "--theatres", "many"),
        ("seed_showtimes", "--days", "1.5"),
        ("seed_showtimes", "--seed", "x"),
        ("seed_showtimes", "--start-date", "20261122"),
        ("seed_showtimes", "--start-date", "tomorrow"),
        ("seed_showtimes", "--months", "3"),
        ("seed_demo", "--days", "3"),
        ("run_site", "--port", "abc"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(command, option, value, capsys):
    with pytest.raises(SystemExit) as ending:
        execute_from_command_line(["manage.py", command, option, value])
    assert ending.value.code != 0
    [line] = capsys.readouterr().err.splitlines()
    assert option in line
