"""Local times, end times and conflicts of shows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import scheduling
from catalog.models import Movie, Screen, Show, ShowStatus
from tests.factories import MovieFactory, ScreenFactory, TheatreFactory, planned_show

VIENNA = ZoneInfo("Europe/Vienna")
START = datetime(2031, 5, 1, 18, 0, tzinfo=UTC)


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_a_local_time_is_what_the_clock_shows(wall_clock: datetime, zone: str) -> None:
    place = ZoneInfo(zone)
    try:
        moment = scheduling.local_moment(wall_clock, zone=place, fold=1)
    except scheduling.LocalTimeMissing:
        # Only where the clocks skip it, so that the offsets before and after differ.
        before, after = (wall_clock + timedelta(hours=hours) for hours in (-2, 2))
        assert before.replace(tzinfo=place).utcoffset() != after.replace(tzinfo=place).utcoffset()
    else:
        assert moment.astimezone(place).replace(tzinfo=None, fold=0) == wall_clock


def test_a_time_skipped_in_spring_is_refused() -> None:
    with pytest.raises(scheduling.LocalTimeMissing, match="02:30 does not exist on 30 Mar 2031"):
        scheduling.local_moment(datetime(2031, 3, 30, 2, 30), zone=VIENNA)  # noqa: DTZ001


def test_a_time_repeated_in_autumn_asks_which_one() -> None:
    twice = datetime(2031, 10, 26, 2, 30)  # noqa: DTZ001
    with pytest.raises(scheduling.LocalTimeAmbiguous, match="02:30 occurs twice") as caught:
        scheduling.local_moment(twice, zone=VIENNA)
    assert caught.value.facts == {"offsets": ["+02:00", "+01:00"]}
    assert [scheduling.local_moment(twice, zone=VIENNA, fold=fold).hour for fold in (0, 1)] == [
        0,
        1,
    ]


@pytest.fixture
def screen(db: None) -> Screen:
    return ScreenFactory(theatre=TheatreFactory(timezone="Europe/Vienna"), turnaround_minutes=25)


def ends(screen: Screen | None, duration: int | None) -> tuple[datetime | None, ...]:
    movie = MovieFactory.build(title="Unfinished", duration_minutes=duration)
    return scheduling.ends_of(movie=movie, screen=screen, start_time=START)


def test_a_screen_is_occupied_until_the_turnaround_is_over(screen: Screen) -> None:
    end = START + timedelta(minutes=128)
    assert ends(screen, 128) == (end, end + timedelta(minutes=25))


def test_a_show_without_a_screen_occupies_nothing() -> None:
    assert ends(None, 90) == (START + timedelta(minutes=90), None)
    assert ends(None, None) == (None, None)


def test_a_movie_without_a_duration_cannot_have_a_screen(screen: Screen) -> None:
    with pytest.raises(scheduling.DurationMissing, match="Unfinished"):
        ends(screen, None)


def test_a_taken_screen_is_reported_in_local_time(screen: Screen) -> None:
    show = planned_show(screen=screen, start_time=START, movie=vertigo())
    assert scheduling.describe_occupation(show) == "“Vertigo” on Thu 01 May 2031, 20:00 to 22:33"


def vertigo() -> Movie:
    movie: Movie = MovieFactory(title="Vertigo", duration_minutes=128)
    return movie


@pytest.mark.parametrize(
    ("minutes", "collide"), [(-153, False), (-152, True), (152, True), (153, False)]
)
def test_shows_may_touch_but_not_overlap(screen: Screen, minutes: int, collide: bool) -> None:
    movie = vertigo()
    other = planned_show(screen=screen, start_time=START, movie=movie)
    show = Show(movie=movie, screen=screen, start_time=START + timedelta(minutes=minutes))
    show.end_time, show.occupied_until = scheduling.ends_of(
        movie=movie, screen=screen, start_time=show.start_time
    )
    assert list(scheduling.collisions_of(show)) == [other] * collide
    Show.objects.filter(pk=other.pk).update(status=ShowStatus.CANCELLED)
    assert not scheduling.collisions_of(show)


def test_a_show_does_not_conflict_with_itself(screen: Screen) -> None:
    show = planned_show(screen=screen, start_time=START, movie=vertigo())
    assert not scheduling.collisions_of(show)
