"""A client that uses only the original fields books a seat from another origin."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from bookings.models import Booking
from catalog.models import Seat
from tests.browser.client_site import client_site
from tests.factories import MovieFactory, ShowFactory, make_seats

CLIENT = Path(__file__).parent / "client"


@pytest.fixture
def client_address() -> Iterator[str]:
    with client_site(CLIENT) as address:
        yield address


def test_the_original_client_registers_and_books(
    open_page: Callable[..., Page], live_server: LiveServer, client_address: str
) -> None:
    show = ShowFactory(movie=MovieFactory(title="Vertigo", description="A detective follows."))
    make_seats(show, "SSS")
    page = open_page()
    page.goto(f"{client_address}?api={live_server.url}")

    page.get_by_placeholder("Name").fill("Carla Customer")
    page.get_by_placeholder("E-mail").fill("carla@example.com")
    page.get_by_placeholder("Password").fill("popcorn-at-eight")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#greeting")).to_have_text("Carla Customer <carla@example.com>")

    page.get_by_role("button", name="Vertigo: A detective follows.").click()
    page.get_by_role("button", name=show.theatre.name).click()
    seat = page.get_by_role("button", name="A2 12.00")
    expect(seat).to_have_attribute("data-status", "available")
    seat.click()

    expect(seat).to_have_attribute("data-status", "booked")
    expect(seat).to_have_attribute("data-mine", "true")
    expect(seat).to_be_disabled()
    booking = Booking.objects.get()
    expect(page.locator("#message")).to_contain_text(f"#{booking.pk}")
    assert (booking.seat.number, booking.user and booking.user.email) == (2, "carla@example.com")
    other = page.get_by_role("button", name="A3 12.00")
    expect(other).to_have_attribute("data-status", "available")
    expect(other).to_have_attribute("data-mine", "false")
    assert Seat.objects.filter(status="available").count() == 2
