"""A client that synchronizes learns of every change of movies, theatres and shows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.api.fields import utc_text
from bookings.services.archiving import archive_rooms
from bookings.show_changes.cancelling import cancel_show
from catalog.models import ArchivedRoom, Movie, PriceCard, Screen, Seat, Show, ShowStatus, Theatre
from catalog.repricing import reprice_unsold
from tests.booking_site.api.test_lists import links
from tests.bookings.calls import bought, held
from tests.factories import (
    MovieFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    make_seats,
    planned_show,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
THEN = datetime(2021, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def show() -> Show:
    """A show with four seats; everything about it is from long ago."""
    show = planned_show(
        movie=MovieFactory(), screen=ScreenFactory(), start_time=timezone.now() + timedelta(days=3)
    )
    make_seats(show, "SSSS")
    age()
    return show


def age() -> None:
    for table in ("movies", "theatres", "shows"):
        execute(f"UPDATE {table} SET updated_at = %s", LONG_AGO)


def execute(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def changed(api: APIClient, address: str, since: datetime = THEN, **query: Any) -> list[int]:
    response = api.get(address, {"updated_since": utc_text(since), **query})
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()]


def lists_of(show: Show) -> list[str]:
    return [
        "/api/shows",
        f"/api/movies/{show.movie_id}/shows",
        f"/api/theatres/{show.theatre_id}/shows",
    ]


# `{show}` and the like are ids. The document's tables, and the columns that came later.
CHANGES_OF_A_SHOW = [
    "UPDATE shows SET start_time = start_time - interval '1 hour' WHERE id = {show}",
    "UPDATE shows SET status = 'cancelled' WHERE id = {show}",
    "UPDATE shows SET sales_open_at = now() WHERE id = {show}",
    "UPDATE shows SET sales_close_at = now() WHERE id = {show}",
    "UPDATE shows SET format = '3D' WHERE id = {show}",
    "UPDATE shows SET screen_id = NULL WHERE id = {show}",
    "UPDATE movies SET title = 'Another' WHERE id = {movie}",
    "UPDATE theatres SET name = 'Another' WHERE id = {theatre}",
    "UPDATE theatres SET timezone = 'Asia/Kolkata' WHERE id = {theatre}",
    "UPDATE theatres SET gap_rule = 'off' WHERE id = {theatre}",
    "UPDATE screens SET name = 'Another' WHERE id = {screen}",
    "UPDATE seats SET price = 7 WHERE show_id = {show} AND number = 2",
    "UPDATE seats SET category = 'premium' WHERE show_id = {show} AND number = 2",
    "UPDATE seats SET x = 9 WHERE show_id = {show} AND number = 2",
    "INSERT INTO seats (show_id, row, number, price) VALUES ({show}, 'B', 1, 9)",
    "DELETE FROM seats WHERE show_id = {show} AND number = 2",
    "UPDATE seats SET id = -id WHERE show_id = {show} AND number = 2",
]


@pytest.mark.parametrize("sql", CHANGES_OF_A_SHOW)
def test_a_change_by_plain_sql_is_listed(api: APIClient, show: Show, sql: str) -> None:
    other = ShowFactory(movie=MovieFactory(), start_time=show.start_time)
    age()
    assert show.screen_id is not None
    assert [changed(api, address) for address in lists_of(show)] == [[], [], []]
    if "gap_rule" in sql:
        execute("UPDATE theatres SET gap_rule = 'middle_only'")
        age()
    execute(
        sql.format(
            show=show.pk, movie=show.movie_id, theatre=show.theatre_id, screen=show.screen_id
        )
    )
    assert [changed(api, address) for address in lists_of(show)] == [[show.pk]] * 3
    assert Show.objects.get(pk=other.pk).updated_at == LONG_AGO


def test_a_seat_of_another_show_by_plain_sql_changes_both(show: Show) -> None:
    other = ShowFactory(movie=show.movie, start_time=show.start_time)
    age()
    execute("UPDATE seats SET show_id = %s WHERE show_id = %s AND number = 2", other.pk, show.pk)
    assert not Show.objects.filter(updated_at=LONG_AGO).exists()


def unchanged_by(show: Show, action: Callable[[], Any]) -> bool:
    action()
    return Show.objects.get(pk=show.pk).updated_at == LONG_AGO


def test_sales_do_not_write_the_row_of_the_show(
    api: APIClient, customer: APIClient, show: Show
) -> None:
    first, second, third, _ = show.seats.order_by("number")
    xmin = "SELECT xmin FROM shows WHERE id = %s"

    def version() -> Any:
        with connection.cursor() as cursor:
            cursor.execute(xmin, [show.pk])
            return cursor.fetchone()

    before = version()
    bought(customer, first)
    held(customer, second)
    third.status = "blocked"
    third.save()
    assert version() == before
    assert changed(api, "/api/shows") == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE movies SET description = 'Another' WHERE id = {movie}",
        "UPDATE theatres SET location = 'Another' WHERE id = {theatre}",
        "UPDATE screens SET layout = 'A SS' WHERE id = {screen}",
        "UPDATE seats SET price = price, block_reason = 'Broken' WHERE show_id = {show}",
    ],
)
def test_a_change_that_the_show_does_not_publish_is_not_one(show: Show, sql: str) -> None:
    assert show.screen_id is not None
    names = {"show": show.pk, "movie": show.movie_id, "theatre": show.theatre_id}
    assert unchanged_by(show, lambda: execute(sql.format(**names, screen=show.screen_id)))


@pytest.mark.parametrize(
    ("address", "sql"),
    [
        ("/api/movies", "UPDATE movies SET description = 'Another'"),
        ("/api/theatres", "UPDATE theatres SET location = 'Another'"),
    ],
)
def test_a_changed_movie_or_theatre_is_listed(
    api: APIClient, show: Show, address: str, sql: str
) -> None:
    assert changed(api, address) == []
    execute(sql)
    assert len(changed(api, address)) == 1


def test_a_sort_key_is_no_change(show: Show) -> None:
    execute("UPDATE movies SET sort_key = 'x'")
    execute("UPDATE theatres SET sort_key = 'x'")
    for row in (show.movie, show.theatre):
        row.refresh_from_db()
        assert row.updated_at == LONG_AGO


def test_a_given_time_is_stored_by_plain_sql(show: Show) -> None:
    execute("UPDATE shows SET format = '3D', updated_at = %s", THEN)
    assert Show.objects.get().updated_at == THEN


def test_other_prices_are_a_change(show: Show) -> None:
    card = PriceCard.objects.create(name="Tuesdays")
    Show.objects.update(price_card=card)
    age()
    reprice_unsold(show_id=show.pk, prices={"standard": Decimal(7)}, price_card=card, reason="")
    assert Show.objects.get().updated_at > THEN


@pytest.mark.django_db(transaction=True)
def test_archiving_is_no_change_and_keeps_the_lowest_prices(api: APIClient, show: Show) -> None:
    past = timezone.now() - timedelta(days=365)
    Show.objects.update(start_time=past, end_time=None, occupied_until=past + timedelta(hours=2))
    show.seats.filter(number__lte=2).update(category="premium", price="20.50")
    show.seats.filter(number=4).update(status="blocked", price="1.00")
    age()
    before = api.get(f"/api/shows/{show.pk}").json()
    assert before["prices_from"] == {"standard": "12.00", "premium": "20.50"}
    assert archive_rooms() == 1
    assert not Seat.objects.exists()
    assert api.get(f"/api/shows/{show.pk}").json() == before
    ArchivedRoom.objects.update(lowest_prices={})  # as in a room archived before the column existed
    import_module("catalog.migrations.0024_lowest_prices").store(apps, None)
    assert api.get(f"/api/shows/{show.pk}").json() == before


def test_a_client_learns_of_cancelled_and_past_shows(
    api: APIClient, show: Show, user: User
) -> None:
    past = ShowFactory(movie=show.movie, start_time=timezone.now() - timedelta(hours=1))
    ShowFactory(status=ShowStatus.PLANNED, start_time=show.start_time)
    cancel_show(show_id=show.pk, orders=0, reason="Broken", actor=user)
    response = api.get("/api/shows", {"updated_since": utc_text(THEN)})
    status = {row["id"]: row["status"] for row in response.json()}
    assert status == {show.pk: "cancelled", past.pk: "open"}
    assert response["X-Total-Count"] == "2"
    assert changed(api, "/api/shows", movie=show.movie_id) == [past.pk, show.pk]
    assert changed(api, "/api/shows", to=utc_text(timezone.now())) == [past.pk]
    assert api.get("/api/shows").json() == []


def test_the_time_is_inclusive_and_orders_the_list(api: APIClient, screen: Screen) -> None:
    shows = [
        planned_show(
            movie=MovieFactory(),
            screen=screen,
            start_time=timezone.now() + timedelta(days=10 - day),
        )
        for day in range(3)
    ]
    times = [THEN + timedelta(microseconds=n) for n in (2, 1, 3)]
    for show, time in zip(shows, times, strict=True):
        Show.objects.filter(pk=show.pk).update(updated_at=time)
    by_time = [shows[1].pk, shows[0].pk, shows[2].pk]
    for first, show in enumerate(by_time):
        since = Show.objects.get(pk=show).updated_at
        assert changed(api, "/api/shows", since=since) == by_time[first:]
    assert changed(api, "/api/shows", since=times[2] + timedelta(microseconds=1)) == []


@pytest.fixture
def screen() -> Screen:
    return ScreenFactory()


@pytest.mark.parametrize("address", ["/api/shows", "/api/movies", "/api/theatres"])
@pytest.mark.parametrize("page_size", [1, 3])
def test_changes_between_two_pages_are_not_missed(
    api: APIClient, address: str, page_size: int
) -> None:
    """The client follows the links."""
    shows = [ShowFactory(movie=MovieFactory(), theatre=TheatreFactory()) for _ in range(9)]
    model: Any = {"/api/shows": Show, "/api/movies": Movie, "/api/theatres": Theatre}[address]
    model.objects.update(updated_at=THEN + timedelta(microseconds=1))  # the same for all rows
    rows = {row.pk for row in model.objects.all()}
    assert len(rows) == len(shows)
    seen: list[int] = []
    more: str | None = f"{address}?updated_since={utc_text(THEN)}&page_size={page_size}"
    while more:
        response = api.get(more)
        seen += [row["id"] for row in response.json()]
        more = links(response["Link"]).get("next")
        if seen[0] not in seen[1:]:
            model.objects.filter(pk=seen[0]).update(updated_at=Now())  # moves it to the end
    assert len(seen) == len(rows) + 1
    assert set(seen) == rows
    assert seen[-1] == seen[0]
