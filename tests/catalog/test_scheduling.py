"""Local times, ends and collisions of shows."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from catalog import scheduling
from catalog.models import Screen, Show, ShowStatus
from tests.factories import MovieFactory, ScreenFactory, TheatreFactory

VIENNA = ZoneInfo("Europe/Vienna")
START = datetime(2031, 5, 1, 18, 0, tzinfo=UTC)


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_a_local_time_is_what_the_clock_shows_then(wall_clock: datetime, zone: str) -> None:
    place = ZoneInfo(zone)
    try:
        moment = scheduling.local_moment(wall_clock, zone=place, fold=1)
    except scheduling.LocalTimeMissing:
        # Only where clocks jump over it: the hour before and after differ.
        before, after = (wall_clock + timedelta(hours=hours) for hours in (-2, 2))
        assert before.replace(tzinfo=place).utcoffset() != after.replace(tzinfo=place).utcoffset()
    else:
        assert moment.astimezone(place).replace(tzinfo=None, fold=0) == wall_clock


def test_a_time_that_spring_skips_is_refused() -> None:
    with pytest.raises(scheduling.LocalTimeMissing, match=r"30 Mar 2031 has no 02:30"):
        scheduling.local_moment(datetime(2031, 3, 30, 2, 30), zone=VIENNA)  # noqa: DTZ001


def test_a_time_that_autumn_repeats_asks_which() -> None:
    twice = datetime(2031, 10, 26, 2, 30)  # noqa: DTZ001
    with pytest.raises(scheduling.LocalTimeAmbiguous, match=r"02:30 twice") as caught:
        scheduling.local_moment(twice, zone=VIENNA)
    assert caught.value.facts == {"offsets": ["+02:00", "+01:00"]}
    assert [scheduling.local_moment(twice, zone=VIENNA, fold=fold).hour for fold in (0, 1)] == [
        0,
        1,
    ]


@pytest.fixture
def screen(db: None) -> Screen:
    return ScreenFactory(theatre=TheatreFactory(timezone="Europe/Vienna"), turnaround_minutes=25)


def plan(screen: Screen, start_time: datetime = START, **facts: Any) -> Show:
    movie = facts.pop("movie", None) or MovieFactory(title="Vertigo", duration_minutes=128)
    return scheduling.plan_show(
        movie=movie, theatre=screen.theatre, screen=screen, start_time=start_time, **facts
    )


def test_ends_are_copied_at_planning(screen: Screen) -> None:
    show = plan(screen, format="70mm", language="en")
    show.movie.duration_minutes = 1
    show.movie.save()
    show.refresh_from_db()
    assert show.end_time == START + timedelta(minutes=128)
    assert show.occupied_until == START + timedelta(minutes=153)
    assert (show.status, show.format, show.language) == ("planned", "70mm", "en")


def test_a_show_without_a_screen_occupies_nothing(screen: Screen) -> None:
    for duration, end in ((90, START + timedelta(minutes=90)), (None, None)):
        show = scheduling.plan_show(
            movie=MovieFactory(duration_minutes=duration),
            theatre=screen.theatre,
            start_time=START,
        )
        assert (show.end_time, show.occupied_until) == (end, None)


def test_a_movie_without_a_duration_is_not_put_on_a_screen(screen: Screen) -> None:
    movie = MovieFactory(title="Unfinished", duration_minutes=None)
    with pytest.raises(scheduling.DurationMissing, match="Unfinished"):
        plan(screen, movie=movie)


def test_a_screen_of_another_theatre_is_refused(screen: Screen) -> None:
    with pytest.raises(scheduling.ScreenInOtherTheatre):
        scheduling.plan_show(
            movie=MovieFactory(), theatre=TheatreFactory(), screen=screen, start_time=START
        )


def test_a_collision_names_the_show_it_collides_with(screen: Screen) -> None:
    there = plan(screen)
    with pytest.raises(
        scheduling.ScreenTaken, match=r"“Vertigo” on Thu 01 May 2031, 20:00 to 22:33\.$"
    ) as caught:
        plan(screen, START + timedelta(minutes=152))
    assert caught.value.facts == {"show_ids": [there.pk]}
    assert Show.objects.count() == 1


def test_shows_may_touch_but_cancelled_ones_are_in_nobodys_way(screen: Screen) -> None:
    first = plan(screen)
    plan(screen, START + timedelta(minutes=153))
    Show.objects.filter(pk=first.pk).update(status=ShowStatus.CANCELLED)
    plan(screen, START + timedelta(minutes=-10))


def test_the_screen_is_locked_before_a_show_is_put_on_it(screen: Screen) -> None:
    """Else PostgreSQL may end one of two planners as a deadlock, which no race shows each time."""
    movie = MovieFactory()
    with CaptureQueriesContext(connection) as queries:
        plan(screen, movie=movie)
    lock, insert = (query["sql"] for query in queries if "SAVEPOINT" not in query["sql"])
    assert 'FROM "screens"' in lock
    assert "FOR NO KEY UPDATE" in lock
    assert 'INSERT INTO "shows"' in insert


@pytest.mark.django_db(transaction=True)
def test_of_shows_planned_at_once_for_one_screen_one_wins(
    race: Callable[[Sequence[Callable[[], Any]]], list[Any]], screen: Screen
) -> None:
    results = race([lambda: plan(screen)] * 8)
    names = sorted(type(result).__name__ for result in results)
    assert names == ["ScreenTaken"] * 7 + ["Show"]
