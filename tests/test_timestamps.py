"""Every change of a row renews its `updated_at`, by whichever way of Django it is written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db.models import F, Model
from django.utils import timezone

from catalog.models import PriceCard, Show, ShowStatus, Theatre
from catalog.programme.durations import apply_durations, fingerprint, plan_durations
from catalog.programme.weeks import open_planned
from catalog.repricing import reprice_unsold
from tests.factories import MovieFactory, ScreenFactory, UserFactory, make_seats, planned_show

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
START = datetime(2031, 5, 5, 12, tzinfo=UTC)
TIMESTAMPED = [
    model
    for model in apps.get_models()
    if any(field.name == "updated_at" for field in model._meta.fields)
]


@pytest.fixture
def show(db: None) -> Show:
    """A planned show with a seat; every row is from long ago."""
    UserFactory()
    movie, screen = MovieFactory(duration_minutes=100), ScreenFactory()
    show = planned_show(movie=movie, screen=screen, start_time=START)
    make_seats(show, "S")
    Show.objects.update(status=ShowStatus.PLANNED)
    for model in TIMESTAMPED:
        model._default_manager.update(updated_at=LONG_AGO)
    return show


def is_fresh(row: Model) -> bool:
    row.refresh_from_db()
    written: datetime = row.updated_at  # type: ignore[attr-defined]
    return timezone.now() - written < timedelta(hours=1)


def test_four_tables_have_the_column() -> None:
    assert {model._meta.db_table for model in TIMESTAMPED} == {
        "users",
        "movies",
        "theatres",
        "shows",
    }


@pytest.mark.parametrize("model", TIMESTAMPED, ids=lambda model: model._meta.db_table)
def test_an_update_of_many_rows_renews_the_time(show: Show, model: Any) -> None:
    rows = model.objects.all()
    assert rows.update(created_at=F("created_at")) == 1
    assert is_fresh(rows.get())


@pytest.mark.parametrize("model", TIMESTAMPED, ids=lambda model: model._meta.db_table)
def test_a_given_time_is_written(show: Show, model: Any) -> None:
    model.objects.update(updated_at=START)
    assert model.objects.get().updated_at == START


@pytest.mark.django_db(transaction=True)
def test_opening_a_week_renews_the_time(show: Show) -> None:
    opened = open_planned(theatre=show.theatre, monday=START.date(), actor=None)
    assert opened == [show]
    assert is_fresh(show)


@pytest.mark.django_db(transaction=True)
def test_applying_a_duration_renews_the_time(show: Show) -> None:
    movie = show.movie
    movie.duration_minutes = 120
    movie.save()
    theatres = Theatre.objects.all()
    seen = fingerprint(plan_durations(movie=movie, theatres=theatres))
    apply_durations(movie_id=movie.pk, theatres=theatres, seen=seen, actor=None)
    assert is_fresh(show)


@pytest.mark.django_db(transaction=True)
def test_a_new_price_card_renews_the_time(show: Show) -> None:
    card = PriceCard.objects.create(name="Tuesdays")
    prices = {"standard": Decimal("7.00")}
    reprice_unsold(show_id=show.pk, prices=prices, price_card=card, reason="A trial")
    assert is_fresh(show)
