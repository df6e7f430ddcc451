"""The form of a theatre: what a changed time zone or currency does to upcoming shows."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import User
from catalog.models import Seat, SeatStatus, Show, ShowStatus, Theatre
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    make_seats,
    planned_show,
)

pytestmark = pytest.mark.django_db

START = datetime(2031, 7, 1, 18, tzinfo=UTC)  # 20:00 in Vienna
TOKYO = timedelta(hours=7)  # earlier than Vienna in summer


@pytest.fixture
def office(client: Client) -> Client:
    client.force_login(User.objects.create_superuser(email="boss@example.com", name="Boss"))
    return client


@pytest.fixture
def theatre() -> Theatre:
    theatre: Theatre = TheatreFactory(timezone="Europe/Vienna", currency="EUR")
    return theatre


def save(office: Client, theatre: Theatre, **changes: str) -> Any:
    """Submit the form of the theatre, with the changes."""
    names = ("name", "location", "timezone", "currency", "language", "gap_rule")
    data = {name: getattr(theatre, name) for name in names} | changes
    return office.post(reverse("admin:catalog_theatre_change", args=[theatre.pk]), data)


def seen(answer: Any) -> str:
    """Return what the hidden input of the preview holds."""
    assert answer.status_code == HTTPStatus.OK
    return str(answer.context["adminform"].form["seen"].value())


CHANGES = [{"timezone": "Asia/Tokyo"}, {"currency": "JPY"}]


@pytest.mark.parametrize("change", CHANGES, ids=["time zone", "currency"])
@pytest.mark.parametrize("status", [SeatStatus.BOOKED, SeatStatus.HELD])
def test_neither_changes_while_a_seat_of_an_upcoming_show_is_sold_or_held(
    office: Client, theatre: Theatre, change: dict[str, str], status: str
) -> None:
    make_seats(ShowFactory(theatre=theatre, start_time=START), "S")
    hold = {"hold_id": uuid4(), "held_until": timezone.now() + timedelta(minutes=5)}
    Seat.objects.update(status=status, **(hold if status == SeatStatus.HELD else {}))
    answer = save(office, theatre, **change)
    assert list(answer.context["adminform"].form.errors) == list(change)
    save(office, theatre, **change, seen=seen(answer))
    again = Theatre.objects.get()
    assert (again.timezone, again.currency) == ("Europe/Vienna", "EUR")


def test_an_unknown_time_zone_is_replaced_whatever_is_sold_and_no_show_moves(
    office: Client, theatre: Theatre
) -> None:
    show = ShowFactory(theatre=theatre, start_time=START)
    make_seats(show, "S")
    Seat.objects.update(status=SeatStatus.BOOKED)
    Theatre.objects.update(timezone="localtime")
    save(office, theatre, timezone="Asia/Tokyo")
    assert Theatre.objects.get().timezone == "Asia/Tokyo"
    assert Show.objects.get().start_time == show.start_time


@pytest.mark.parametrize("change", CHANGES, ids=["time zone", "currency"])
def test_a_change_is_previewed_and_then_saved(
    office: Client, theatre: Theatre, change: dict[str, str]
) -> None:
    make_seats(ShowFactory(theatre=theatre, start_time=START), "SS")
    preview = save(office, theatre, **change)
    assert Theatre.objects.get().updated_at == theatre.updated_at
    assert save(office, theatre, **change, seen=seen(preview)).status_code == HTTPStatus.FOUND
    [(name, value)] = change.items()
    assert getattr(Theatre.objects.get(), name) == value
    (entry,) = audit.history_of(theatre)
    assert list(entry.facts["changes"]) == [name]


@pytest.mark.parametrize("currency", ["ZZZ", "BGN", "XAU", "CLF", "eur"])
def test_a_theatre_cannot_get_a_currency_that_is_not_current(
    office: Client, theatre: Theatre, currency: str
) -> None:
    answer = save(office, theatre, currency=currency)
    assert list(answer.context["adminform"].form.errors) == ["currency"]
    new = {
        "name": "New",
        "timezone": "UTC",
        "currency": currency,
        "language": "en",
        "gap_rule": "off",
    }
    answer = office.post(reverse("admin:catalog_theatre_add"), new)
    assert list(answer.context["adminform"].form.errors) == ["currency"]
    assert [each.currency for each in Theatre.objects.all()] == ["EUR"]


def test_a_theatre_whose_currency_was_withdrawn_can_still_be_edited(office: Client) -> None:
    theatre = TheatreFactory(currency="BGN")
    assert save(office, theatre, name="Rex").status_code == HTTPStatus.FOUND
    assert Theatre.objects.get().name == "Rex"


def test_a_change_of_currency_counts_the_prices_that_it_cannot_express(
    office: Client, theatre: Theatre
) -> None:
    show = ShowFactory(theatre=theatre, start_time=START)
    make_seats(show, "SS", price="12.00")
    Seat.objects.filter(number=1).update(price="12.50")
    preview = save(office, theatre, currency="JPY")
    assert "Of these, 1 have more" in preview.text


def test_another_zone_than_the_one_previewed_is_previewed_again(
    office: Client, theatre: Theatre
) -> None:
    ShowFactory(theatre=theatre, start_time=START)
    preview = save(office, theatre, timezone="Asia/Tokyo")
    answer = save(office, theatre, timezone="Asia/Kolkata", seen=seen(preview))
    assert answer.status_code == HTTPStatus.OK
    assert Theatre.objects.get().timezone == "Europe/Vienna"


def test_upcoming_shows_keep_their_local_times(office: Client, theatre: Theatre) -> None:
    screen = ScreenFactory(theatre=theatre, turnaround_minutes=20)
    sales = {
        "sales_open_at": START - timedelta(minutes=90),
        "sales_close_at": START - timedelta(minutes=30),
    }
    # They follow each other directly, so they can move only together.
    movie = MovieFactory(duration_minutes=100)
    first = planned_show(movie=movie, screen=screen, start_time=START, **sales)
    later = START + timedelta(minutes=120)
    second = planned_show(movie=movie, screen=screen, start_time=later)
    cancelled = ShowFactory(theatre=theatre, start_time=START, status=ShowStatus.CANCELLED)
    over = ShowFactory(theatre=theatre, start_time=datetime(2020, 1, 1, tzinfo=UTC))
    change = {"timezone": "Asia/Tokyo"}
    save(office, theatre, **change, seen=seen(save(office, theatre, **change)))
    for show in (first, second):
        after = Show.objects.get(pk=show.pk)
        for field in ("start_time", "end_time", "occupied_until"):
            assert getattr(after, field) == getattr(show, field) - TOKYO
        assert after.planned_utc_offset == timedelta(hours=9)
    moved = Show.objects.get(pk=first.pk)
    for field, moment in sales.items():
        assert getattr(moved, field) == moment - TOKYO
    for show in (cancelled, over):
        assert Show.objects.get(pk=show.pk).start_time == show.start_time


def test_the_preview_counts_shows_that_would_have_started_already(
    office: Client, theatre: Theatre
) -> None:
    for hours in (2, 48):
        ShowFactory(theatre=theatre, start_time=timezone.now() + timedelta(hours=hours))
    answer = save(office, theatre, timezone="Asia/Tokyo")
    [text] = answer.context["adminform"].form.non_field_errors()
    assert "Of these, 1 will" in text


def test_a_local_time_that_the_new_zone_skips_refuses_the_change(
    office: Client, theatre: Theatre
) -> None:
    skipped = datetime(2031, 3, 9, 1, 30, tzinfo=UTC)  # 02:30 in Vienna, skipped in New York
    ShowFactory(theatre=theatre, start_time=skipped)
    change = {"timezone": "America/New_York"}
    answer = save(office, theatre, **change)
    assert list(answer.context["adminform"].form.errors) == ["timezone"]
    save(office, theatre, **change, seen=seen(answer))
    assert Theatre.objects.get().timezone == "Europe/Vienna"


def test_shows_that_would_overlap_in_the_new_zone_refuse_the_change(
    office: Client, theatre: Theatre
) -> None:
    screen = ScreenFactory(theatre=theatre, turnaround_minutes=20)
    # In Vienna an hour of 26 October repeats, in Tokyo it does not.
    night = datetime(2031, 10, 25, 23, 30, tzinfo=UTC)
    for start in (night, night + timedelta(hours=2)):
        planned_show(movie=MovieFactory(), screen=screen, start_time=start)
    answer = save(office, theatre, timezone="Asia/Tokyo")
    assert list(answer.context["adminform"].form.errors) == ["timezone"]


def test_without_upcoming_shows_nothing_is_previewed(office: Client, theatre: Theatre) -> None:
    answer = save(office, theatre, timezone="Asia/Tokyo", currency="JPY")
    assert answer.status_code == HTTPStatus.FOUND
