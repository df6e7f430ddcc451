"""Staff set up a screen, a price card, a movie and a show in the back office."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from accounts.models import User
from catalog.models import Seat, Show
from tests.factories import ShowFactory, TheatreFactory, UserFactory, make_seats

PASSWORD = "popcorn-at-eight"
LAYOUT = "A  SSSS..SSSS\nB  SSSS..SSSS\n\nC  PPPP..PPWC\n"


@pytest.fixture
def ada(transactional_db: None) -> User:
    return UserFactory(email="ada@example.com", password=PASSWORD, is_staff=True, is_superuser=True)


@pytest.fixture
def office(open_page: Callable[..., Page], live_server: LiveServer, ada: User) -> Page:
    """The back office, after logging in."""
    page = open_page()
    log_in(page, live_server)
    return page


def log_in(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/admin/")
    page.fill("[name=username]", "ada@example.com")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


def choose(page: Page, field: str, text: str) -> None:
    """Select the entry that an autocomplete field finds for the text."""
    page.locator(f"#id_{field} ~ .select2 .select2-selection").click()
    page.locator(".select2-search__field").last.fill(text)
    page.locator(".select2-results__option--highlighted", has_text=text).click()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()


def test_from_an_empty_theatre_to_a_blocked_seat(office: Page, live_server: LiveServer) -> None:
    TheatreFactory(name="Rex", timezone="Europe/Vienna", currency="EUR")
    address = f"{live_server.url}/admin/catalog"

    office.goto(f"{address}/screen/add/")
    choose(office, "theatre", "Rex")
    office.fill("#id_name", "Blue Room")
    office.fill("#id_layout", LAYOUT.replace("WC", "WX"))
    expect(office.locator(".layout-errors")).to_contain_text("Line 4, column 13")
    office.fill("#id_layout", LAYOUT)
    expect(office.locator(".layout-count")).to_have_text("24 seats")
    save(office)

    office.goto(f"{address}/pricecard/add/")
    office.fill("#id_name", "Evening")
    for index, price in enumerate(("12.00", "15.00", "9.00", "9.00")):
        office.fill(f"#id_lines-{index}-price", price)
    save(office)

    office.goto(f"{address}/movie/add/")
    office.fill("#id_title", "Vertigo")
    office.fill("#id_duration_minutes", "128")
    save(office)

    office.goto(f"{address}/show/add/")
    choose(office, "movie", "Vertigo")
    choose(office, "theatre", "Rex")
    choose(office, "screen", "Blue Room")
    day = timezone.localdate() + timedelta(days=3)
    office.fill("[name=start_date]", day.isoformat())
    office.fill("[name=start_time]", "20:15")
    choose(office, "price_card", "Evening")
    save(office)

    office.get_by_role("link", name="Create seat map").click()
    office.get_by_role("button", name="Preview").click()
    expect(office.get_by_text("24 seats, 300.00 EUR when sold out")).to_be_visible()
    assert not Seat.objects.exists()
    office.get_by_role("button", name="Create 24 seats").click()
    expect(office.get_by_text("Seat map with 24 seats created.")).to_be_visible()

    office.get_by_role("checkbox", name="B3, Standard, available").check()
    office.fill("[name=reason]", "Broken armrest")
    office.get_by_role("button", name="Block", exact=True).click()
    expect(office.get_by_text("Blocked B3: Broken armrest", exact=True)).to_be_visible()

    seats = {f"{seat['row']}{seat['number']}": seat for seat in seat_map()}
    assert len(seats) == 24
    assert (seats["B3"]["status"], seats["B3"]["state"]) == ("booked", "blocked")
    assert (seats["B4"]["status"], seats["B4"]["price"]) == ("available", "12.00")


def seat_map() -> list[dict[str, Any]]:
    answer = APIClient().get(f"/api/shows/{Show.objects.get().pk}/seats")
    seats: list[dict[str, Any]] = answer.json()
    return seats


@pytest.mark.parametrize("width", [1280, 390])
def test_a_seat_map_of_a_thousand_seats_works_by_keyboard(
    width: int, open_page: Callable[..., Page], live_server: LiveServer, ada: User
) -> None:
    show = ShowFactory()
    make_seats(show, *["S" * 40] * 25)
    page = open_page(width=width)
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/catalog/show/{show.pk}/room/")
    # Only the seat map scrolls sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".room").evaluate("room => room.scrollWidth > room.clientWidth")

    page.get_by_role("checkbox", name="A1, Standard, available").focus()
    for key in ("Space", "ArrowRight", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(page.locator("#room-selection")).to_have_text("2 seats: A1, C2")
    page.keyboard.press("Tab")  # Tab leaves the seat map; the next stop is the reason
    page.keyboard.type("Reserved for the crew")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Blocked A1, C2: Reserved for the crew", exact=True)).to_be_visible()
    assert show.seats.filter(status="blocked").count() == 2
