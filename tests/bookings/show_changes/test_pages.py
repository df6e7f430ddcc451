"""The pages that move and cancel a show: previews, confirmations and access by theatre."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from accounts.roles import ensure_roles
from booking_site.tasks.worker import Worker
from bookings.models import Booking
from catalog.models import Screen, Show, ShowStatus
from tests.bookings.calls import bought
from tests.bookings.show_changes.test_moving import BIG, SMALL, make_show, name_of, seat
from tests.factories import ScreenFactory, TheatreFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def big() -> Screen:
    theatre = TheatreFactory(timezone="Europe/Vienna")
    return ScreenFactory(theatre=theatre, name="Big", layout=BIG)


@pytest.fixture
def small(big: Screen) -> Screen:
    return ScreenFactory(theatre=big.theatre, name="Small", layout=SMALL)


@pytest.fixture
def show(big: Screen) -> Show:
    return make_show(big)


@pytest.fixture
def programmer(client: Client, big: Screen) -> Client:
    ensure_roles()
    user: User = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name="Programmer"))
    user.theatres.add(big.theatre)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page_of(show: Show, name: str) -> str:
    return f"/admin/catalog/show/{show.pk}/{name}/"


def moving_to(screen: Screen, show: Show, **other: Any) -> dict[str, Any]:
    start = show.start_time.astimezone(show.theatre.zone)
    return {
        "screen": screen.pk,
        "start_date": f"{start:%Y-%m-%d}",
        "start_time": f"{start:%H:%M}",
        "reason": "Projector broken",
        **other,
    }


def test_a_show_links_to_its_pages(programmer: Client, show: Show) -> None:
    page = programmer.get(page_of(show, "change")).text
    for name in ("move", "swap", "cancel"):
        assert page_of(show, name) in page


def test_a_move_is_previewed_seat_by_seat_and_then_made(
    programmer: Client, show: Show, small: Screen, customer: APIClient
) -> None:
    booking = bought(customer, seat(show, "C1"))["booking"]
    page = programmer.post(page_of(show, "move"), moving_to(small, show))
    assert "1 seat sold or held." in page.text
    assert "C1 → <strong>C1</strong>" in page.text
    for name in ("start_date", "start_time", "screen", "reason"):
        assert f'<input type="hidden" name="{name}"' in page.text
    assert Show.objects.get().screen != small
    data = moving_to(small, show, seen=page.context["seen"])
    page = programmer.post(page_of(show, "move"), data, follow=True)
    moved = Show.objects.get()
    assert (moved.screen, moved.start_time) == (small, show.start_time)
    assert name_of(booking["seat_id"]) == "C1"


def test_a_sale_after_the_preview_requires_a_new_preview(
    programmer: Client, show: Show, small: Screen, customer: APIClient
) -> None:
    seen = programmer.post(page_of(show, "move"), moving_to(small, show)).context["seen"]
    bought(customer, seat(show, "A1"))
    page = programmer.post(page_of(show, "move"), moving_to(small, show, seen=seen))
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Check the new preview." in page.text
    assert Show.objects.get().screen != small


def test_two_shows_swap(programmer: Client, show: Show, small: Screen) -> None:
    other = make_show(small)
    data = {"other": other.pk, "reason": "More guests"}
    page = programmer.post(page_of(show, "swap"), data)
    programmer.post(page_of(show, "swap"), data | {"seen": page.context["seen"]})
    screens = Show.objects.order_by("pk").values_list("screen__name", flat=True)
    assert list(screens) == ["Small", "Big"]


def test_a_show_is_cancelled_by_typing_how_many_orders_it_has(
    programmer: Client, show: Show, customer: APIClient
) -> None:
    bought(customer, seat(show, "A1"), seat(show, "A2"))
    page = programmer.get(page_of(show, "cancel"))
    assert "1 order will be cancelled" in page.text
    page = programmer.post(page_of(show, "cancel"), {"reason": "Broken", "orders": "2"})
    assert "Enter 1" in page.context["form"].errors["orders"][0]
    page = programmer.post(
        page_of(show, "cancel"), {"reason": "Broken", "orders": "1"}, follow=True
    )
    assert "0 of 1 order cancelled" in page.text
    assert Show.objects.get().status == ShowStatus.CANCELLED
    worker = Worker()
    while worker.do_next_task():
        pass
    page = programmer.get(page_of(show, "cancel"))
    assert "1 of 1 order cancelled." in page.text
    assert Booking.objects.get(seat__number=1).cancel_reason == "Broken"


def test_the_cancellation_of_orders_can_be_retried(
    programmer: Client, show: Show, customer: APIClient
) -> None:
    bought(customer, seat(show, "A1"))
    programmer.post(page_of(show, "cancel"), {"reason": "Broken", "orders": "1"})
    programmer.post(page_of(show, "cancel"))
    worker = Worker()
    done = 0
    while worker.do_next_task():
        done += 1
    assert done == 3  # the job twice and the mail of the cancellation
    assert not Booking.objects.filter(cancelled_at=None).exists()


@pytest.mark.parametrize("name", ["move", "swap", "cancel"])
def test_another_theatre_is_not_found(name: str, programmer: Client) -> None:
    foreign = make_show(ScreenFactory(layout=BIG))
    for send in (programmer.get, programmer.post):
        assert send(page_of(foreign, name)).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("name", ["move", "swap", "cancel"])
@pytest.mark.parametrize("role", ["Usher", "Box office"])
def test_staff_without_the_permission_neither_move_nor_cancel(
    name: str, role: str, client: Client, show: Show
) -> None:
    ensure_roles()
    user: User = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    user.theatres.add(show.theatre)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert page_of(show, name) not in client.get(page_of(show, "change")).text
    assert client.post(page_of(show, name)).status_code == HTTPStatus.FORBIDDEN


def test_query_count_of_a_page_does_not_grow_with_the_orders(
    programmer: Client, show: Show, small: Screen, login: Callable[[User], APIClient]
) -> None:
    counts = []
    for names in (["A1"], ["A3", "A4", "B1", "B3"]):
        for name in names:
            bought(login(UserFactory()), seat(show, name))
        with CaptureQueriesContext(connection) as queries:
            programmer.post(page_of(show, "move"), moving_to(small, show))
            programmer.get(page_of(show, "cancel"))
        counts.append(len(queries))
    assert counts[0] == counts[1]
