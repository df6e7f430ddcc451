"""Saving an object while a colleague deletes it shows a message and does not recreate it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog import seat_maps
from catalog.errors import ShowNotFound
from catalog.layouts import rows_by_seats
from catalog.models import Movie, PriceCard, Screen, Seat, SeatStatus, Show, Theatre
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    make_seats,
)
from tests.waiting import somebody_waits_for_me

pytestmark = pytest.mark.django_db(transaction=True)


def show_form(show: Show) -> dict[str, Any]:
    start = timezone.localtime(show.start_time, show.theatre.zone)
    return {
        "movie": show.movie_id,
        "theatre": show.theatre_id,
        "start_date": f"{start:%Y-%m-%d}",
        "start_time": f"{start:%H:%M}",
        "status": show.status,
        "format": "IMAX",
    }


FORMS: dict[type[Model], tuple[Callable[[], Any], Callable[[Any], dict[str, Any]]]] = {
    Show: (ShowFactory, show_form),
    Movie: (MovieFactory, lambda movie: {"title": "New", "genres": ""}),
    Theatre: (
        TheatreFactory,
        lambda theatre: {
            "name": "New",
            "timezone": theatre.timezone,
            "currency": theatre.currency,
            "language": theatre.language,
            "gap_rule": theatre.gap_rule,
        },
    ),
    Screen: (
        ScreenFactory,
        lambda screen: {
            "theatre": screen.theatre_id,
            "name": "New",
            "turnaround_minutes": 20,
            "layout": "",
        },
    ),
    PriceCard: (
        lambda: PriceCard.objects.create(name="Old"),
        lambda card: {"name": "New", "lines-TOTAL_FORMS": 0, "lines-INITIAL_FORMS": 0},
    ),
}


def while_it_is_deleted(row: Any, act: Callable[[], Any]) -> Any:
    """Call `act` in another thread, so that it waits for the row, then commit its deletion."""

    def act_elsewhere() -> Any:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            type(row).objects.filter(pk=row.pk).delete()
            staff = pool.submit(act_elsewhere)
            while not somebody_waits_for_me():
                assert not staff.done()
        return staff.result()


@pytest.mark.parametrize("page", ["change", "delete"])
@pytest.mark.parametrize("model", FORMS, ids=lambda model: model.__name__)
def test_saving_an_object_deleted_meanwhile_shows_a_message_and_does_not_recreate_it(
    model: type[Model], page: str, office: Client
) -> None:
    make, fill_in = FORMS[model]
    row = make()
    address = reverse(f"admin:catalog_{model._meta.model_name}_{page}", args=[row.pk])
    data = fill_in(row) if page == "change" else {"post": "yes"}
    answer = while_it_is_deleted(row, lambda: office.post(address, data, follow=True))
    assert answer.status_code == HTTPStatus.OK
    [text] = [str(message) for message in answer.context["messages"]]
    assert "Perhaps it was deleted?" in text
    assert not model._default_manager.filter(pk=row.pk).exists()


def test_a_show_deleted_meanwhile_gets_no_seats() -> None:
    show = ShowFactory()
    layout, prices = rows_by_seats(rows=1, seats_per_row=2), {"standard": 9}
    with pytest.raises(ShowNotFound):
        while_it_is_deleted(
            show,
            lambda: seat_maps.make_seat_map(show_id=show.pk, layout=layout, prices=prices),
        )


def test_of_eight_concurrent_shows_on_one_screen_one_is_saved(office: Client) -> None:
    movie, screen = MovieFactory(duration_minutes=100), ScreenFactory()
    form = show_form(ShowFactory.build(movie=movie, theatre=screen.theatre))

    def plan(_: int) -> Any:
        try:
            return office.post(reverse("admin:catalog_show_add"), form | {"screen": screen.pk})
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(plan, range(8)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [HTTPStatus.OK] * 7 + [HTTPStatus.FOUND]
    assert Show.objects.count() == 1


def test_a_changed_time_zone_waits_for_a_sale_and_is_then_refused(office: Client) -> None:
    show = ShowFactory()
    make_seats(show, "S")
    theatre = show.theatre
    form = FORMS[Theatre][1](theatre) | {
        "timezone": "Asia/Tokyo",
        "seen": f"Asia/Tokyo {theatre.currency}",
    }

    def save() -> Any:
        try:
            return office.post(reverse("admin:catalog_theatre_change", args=[theatre.pk]), form)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Seat.objects.filter(show=show).update(status=SeatStatus.BOOKED)
            saving = pool.submit(save)
            while not (saving.done() or somebody_waits_for_me()):
                pass
        assert saving.result().status_code == HTTPStatus.OK
    assert Theatre.objects.get().timezone == theatre.timezone
