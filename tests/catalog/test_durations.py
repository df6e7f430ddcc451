"""Updating the end times of upcoming shows after a movie's duration has changed."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.roles import ensure_roles
from catalog.models import Movie, Screen, Show, ShowStatus
from catalog.programme.durations import (
    DurationsChanged,
    apply_durations,
    fingerprint,
    plan_durations,
)
from catalog.scheduling import DurationMissing
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    TheatreFactory,
    UserFactory,
    planned_show,
)

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


@pytest.fixture
def screen() -> Screen:
    return ScreenFactory(theatre=TheatreFactory(timezone="Europe/Vienna"), turnaround_minutes=20)


@pytest.fixture
def movie() -> Movie:
    return MovieFactory(title="Vertigo", duration_minutes=100)


def plan(movie: Movie, screen: Screen, start: datetime) -> Show:
    return planned_show(movie=movie, screen=screen, start_time=start)


def lengthen(movie: Movie, minutes: int | None) -> None:
    Movie.objects.filter(pk=movie.pk).update(duration_minutes=minutes)
    movie.refresh_from_db()


def apply(movie: Movie, screen: Screen) -> None:
    seen = fingerprint(plan_durations(movie=movie, theatres=[screen.theatre]))
    apply_durations(movie_id=movie.pk, theatres=[screen.theatre], seen=seen, actor=None)


def at(movie: Movie) -> str:
    return reverse("admin:catalog_movie_durations", args=[movie.pk])


def test_upcoming_shows_get_the_new_end_with_their_old_turnaround(
    movie: Movie, screen: Screen
) -> None:
    show = plan(movie, screen, NOON)
    Screen.objects.update(turnaround_minutes=45)  # which this must not apply
    lengthen(movie, 120)
    show.refresh_from_db()
    assert show.end_time == NOON + timedelta(minutes=100)
    apply(movie, screen)
    show.refresh_from_db()
    assert show.end_time == NOON + timedelta(minutes=120)
    assert show.occupied_until == NOON + timedelta(minutes=140)
    [entry] = AuditEntry.objects.filter(action="duration_applied", subject_id=str(show.pk))
    assert entry.facts == {"changes": {"ends": ["2031-05-05 15:40", "2031-05-05 16:00"]}}


def test_a_second_update_changes_nothing(movie: Movie, screen: Screen) -> None:
    plan(movie, screen, NOON)
    lengthen(movie, 120)
    apply(movie, screen)
    assert plan_durations(movie=movie, theatres=[screen.theatre]) == []
    apply(movie, screen)
    assert AuditEntry.objects.filter(action="duration_applied").count() == 1


def test_a_show_that_would_overlap_another_is_listed_but_not_changed(
    movie: Movie, screen: Screen
) -> None:
    first, second = (plan(movie, screen, NOON + n * timedelta(minutes=120)) for n in (0, 1))
    lengthen(movie, 101)
    [blocked, free] = plan_durations(movie=movie, theatres=[screen.theatre])
    assert (blocked.show, blocked.rivals) == (first, (second,))
    assert (free.show, free.rivals) == (second, ())
    apply(movie, screen)
    ends = Show.objects.order_by("start_time").values_list("end_time", flat=True)
    assert list(ends) == [NOON + timedelta(minutes=100), NOON + timedelta(minutes=221)]


def test_a_show_may_end_when_the_next_one_starts(movie: Movie, screen: Screen) -> None:
    for n in (0, 1):
        plan(movie, screen, NOON + n * timedelta(minutes=130))
    lengthen(movie, 110)
    assert all(new.fits for new in plan_durations(movie=movie, theatres=[screen.theatre]))


def test_past_and_cancelled_shows_and_other_theatres_are_not_changed(
    movie: Movie, screen: Screen
) -> None:
    over = plan(movie, screen, datetime(2020, 1, 1, tzinfo=UTC))
    gone = plan(movie, screen, NOON)
    Show.objects.filter(pk=gone.pk).update(status=ShowStatus.CANCELLED)
    elsewhere = plan(movie, ScreenFactory(), NOON)
    lengthen(movie, 120)
    apply(movie, screen)
    lengths = {show.end_time - show.start_time for show in Show.objects.all() if show.end_time}
    assert lengths == {timedelta(minutes=100)}
    assert {over.pk, gone.pk, elsewhere.pk} == set(Show.objects.values_list("pk", flat=True))


def test_an_outdated_preview_is_refused(movie: Movie, screen: Screen) -> None:
    plan(movie, screen, NOON)
    lengthen(movie, 120)
    seen = fingerprint(plan_durations(movie=movie, theatres=[screen.theatre]))
    lengthen(movie, 130)
    with pytest.raises(DurationsChanged):
        apply_durations(movie_id=movie.pk, theatres=[screen.theatre], seen=seen, actor=None)
    assert Show.objects.get().end_time == NOON + timedelta(minutes=100)


def test_a_movie_without_a_duration_is_refused(movie: Movie, screen: Screen) -> None:
    lengthen(movie, None)
    with pytest.raises(DurationMissing):
        plan_durations(movie=movie, theatres=[screen.theatre])


def test_query_count_of_a_preview_does_not_grow_with_the_shows(
    movie: Movie, screen: Screen
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            for new in plan_durations(movie=movie, theatres=[screen.theatre]):
                str(new.show)
        return len(captured)

    plan(movie, screen, NOON)
    lengthen(movie, 90)
    few = queries()
    lengthen(movie, 100)
    for day in range(1, 20):
        plan(movie, screen, NOON + timedelta(days=day))
    lengthen(movie, 90)
    assert queries() == few == 2


def test_saving_a_movie_links_to_the_update_of_its_shows(
    movie: Movie, screen: Screen, client: Client
) -> None:
    ensure_roles()
    programmer: User = UserFactory(is_staff=True)
    programmer.groups.add(Group.objects.get(name="Programmer"))
    programmer.theatres.add(screen.theatre)
    client.force_login(programmer, backend="django.contrib.auth.backends.ModelBackend")
    show = plan(movie, screen, NOON)
    plan(movie, ScreenFactory(), NOON)  # another theatre, which the programmer cannot change
    form = client.get(reverse("admin:catalog_movie_change", args=[movie.pk])).context["adminform"]
    data = {name: value for name, value in form.form.initial.items() if value is not None}
    saved = client.post(
        reverse("admin:catalog_movie_change", args=[movie.pk]),
        data | {"genres": "Drama", "duration_minutes": 120, "_save": "Save"},
        follow=True,
    )
    assert "1 upcoming show was planned with the former duration." in saved.text
    assert at(movie) in saved.text
    page = client.get(at(movie))
    assert "15:40 → <strong>16:00</strong>" in page.text
    stale = client.post(at(movie), {"seen": "something else"})
    assert stale.status_code == HTTPStatus.CONFLICT
    done = client.post(at(movie), {"seen": page.context["seen"]}, follow=True)
    assert "Updated: 1. Not changed: 0." in done.text
    assert done.context["lines"] == []
    show.refresh_from_db()
    assert show.end_time == NOON + timedelta(minutes=120)
