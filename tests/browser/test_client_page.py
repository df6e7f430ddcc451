"""A client that uses only the original fields books a seat from another origin."""

from collections.abc import Callable
from datetime import timedelta

import jwt
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.tokens import TokenInvalid
from bookings.models import Booking
from catalog.models import Seat
from tests.factories import MovieFactory, ShowFactory, UserFactory, make_seats

PASSWORD = "popcorn-at-eight"


def test_the_original_client_registers_and_books(
    open_page: Callable[..., Page], live_server: LiveServer, client_address: str
) -> None:
    show = ShowFactory(movie=MovieFactory(title="Vertigo", description="A detective follows."))
    make_seats(show, "SSS")
    page = open_page()
    page.goto(f"{client_address}?api={live_server.url}")

    form = page.locator("#register")
    form.get_by_placeholder("Name").fill("Carla Customer")
    form.get_by_placeholder("E-mail").fill("carla@example.com")
    form.get_by_placeholder("Password").fill(PASSWORD)
    form.get_by_role("button", name="Register").click()
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


def test_the_original_client_works_with_a_token_of_the_original(
    open_page: Callable[..., Page], live_server: LiveServer, client_address: str
) -> None:
    """It sends that token with every call, also with the login that replaces it."""
    show = ShowFactory(movie=MovieFactory(title="Vertigo", description="A detective follows."))
    make_seats(show, "SSS")
    carla = UserFactory(name="Carla Customer", email="carla@example.com", password=PASSWORD)
    now = timezone.now()
    claims = {"id": carla.pk, "iat": now, "exp": now + timedelta(days=30)}
    token = jwt.encode(claims, "the original's secret, long enough")
    stored = {"id": carla.pk, "name": "Carla", "email": carla.email, "token": token}
    page = open_page(quiet=True)
    page.goto(client_address)
    page.evaluate("user => localStorage.setItem('user', JSON.stringify(user))", stored)
    page.goto(f"{client_address}?api={live_server.url}")
    expect(page.locator("#greeting")).to_have_text("Carla <carla@example.com>")

    page.get_by_role("button", name="Vertigo: A detective follows.").click()
    page.get_by_role("button", name=show.theatre.name).click()
    seat = page.get_by_role("button", name="A2 12.00")
    seat.click()
    expect(page.locator("#message")).to_have_text(str(TokenInvalid.message))
    assert not Booking.objects.exists()

    form = page.locator("#login")
    form.get_by_placeholder("E-mail").fill("carla@example.com")
    form.get_by_placeholder("Password").fill(PASSWORD)
    form.get_by_role("button", name="Log in").click()
    expect(page.locator("#greeting")).to_have_text("Carla Customer <carla@example.com>")
    seat.click()
    expect(seat).to_have_attribute("data-mine", "true")
    assert Booking.objects.get().user == carla
    page.reload()
    page.get_by_role("button", name="Vertigo: A detective follows.").click()
    page.get_by_role("button", name=show.theatre.name).click()
    expect(seat).to_have_attribute("data-mine", "true")
