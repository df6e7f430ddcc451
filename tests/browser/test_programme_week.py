"""A programmer plans a week, copies it, moves a show and cancels it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.roles import ensure_roles
from catalog.models import Seat, Show, ShowStatus
from catalog.programme.days import monday_of
from tests.browser.test_admin_flow import PASSWORD
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    TheatreFactory,
    UserFactory,
)

CLICKS = 21


@pytest.fixture
def office(transactional_db: None, open_page: Callable[..., Page], live_server: LiveServer) -> Page:
    """The back office of a theatre with three screens, with its programmer logged in."""
    ensure_roles()
    theatre = TheatreFactory(name="Rex", timezone="Europe/Vienna")
    for number in (1, 2, 3):
        ScreenFactory(theatre=theatre, name=f"Room {number}")
    MovieFactory(title="Vertigo", duration_minutes=128)
    PriceCardFactory(name="Evening")
    user: User = UserFactory(email="pia@example.com", password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name="Programmer"))
    user.theatres.add(theatre)
    page = open_page()
    page.goto(f"{live_server.url}/admin/")
    page.fill("[name=username]", "pia@example.com")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    return page


class ClickCounter:
    """Clicks, and counts the clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, role: Any, name: str, *, exact: bool = True) -> None:
        self.clicks += 1
        self.page.get_by_role(role, name=name, exact=exact).first.click()

    def choose(self, field: str, label: str) -> None:
        self.clicks += 2  # open the list, choose the entry
        self.page.select_option(f"#id_{field}", label=label)


def test_a_week_is_planned_copied_and_changed_in_21_clicks(office: Page) -> None:
    clicker = ClickCounter(office)
    theatre_week = office.locator(".week-day .show-block")

    clicker.click("link", "Week")
    clicker.click("link", "Next week")
    expect(office.get_by_text("0 shows on 3 screens.")).to_be_visible()
    clicker.click("link", "Plan shows")
    clicker.choose("movie", "Vertigo")
    clicker.choose("price_card", "Evening")
    office.fill("#id_times", "14:00 17:15 20:30")
    clicker.click("button", "Preview")
    expect(office.get_by_text("63 shows with 1512 seats")).to_be_visible()
    assert not Show.objects.exists()
    clicker.click("button", "Create 63 shows")
    clicker.click("link", "View week")
    expect(theatre_week).to_have_count(63)
    clicker.click("button", "Open 63 planned shows for sale")
    expect(office.get_by_text("Shows opened for sale: 63.")).to_be_visible()

    clicker.click("link", "Copy week")
    clicker.click("button", "Preview")
    clicker.click("button", "Create 63 shows")
    clicker.click("link", "View week")
    expect(theatre_week).to_have_count(63)
    assert Show.objects.count() == 126
    assert Seat.objects.count() == 126 * 24

    clicker.clicks += 1
    theatre_week.first.locator("a").click()
    clicker.click("link", "Move", exact=False)
    office.fill("[name=start_time]", "13:30")
    office.fill("[name=reason]", "School class")
    clicker.click("button", "Preview")
    clicker.click("button", "Move show")
    expect(office.get_by_text("Show moved.")).to_be_visible()

    clicker.click("link", "Cancel show", exact=False)
    office.fill("[name=reason]", "Projector broken")
    office.fill("[name=orders]", "0")
    clicker.click("button", "Cancel show")
    expect(office.get_by_text("This show is cancelled")).to_be_visible()

    cancelled = Show.objects.get(status=ShowStatus.CANCELLED)
    local = cancelled.start_time.astimezone(cancelled.theatre.zone)
    monday = monday_of(timezone.localdate(timezone=cancelled.theatre.zone)) + timedelta(days=14)
    assert (local.date(), f"{local:%H:%M}") == (monday, "13:30")
    assert clicker.clicks == CLICKS


@pytest.mark.parametrize("width", [1280, 390])
def test_a_week_fits_the_page(width: int, office: Page, live_server: LiveServer) -> None:
    office.set_viewport_size({"width": width, "height": 900})
    office.goto(f"{live_server.url}/admin/catalog/show/week/")
    expect(office.get_by_text("0 shows on 3 screens.")).to_be_visible()
    assert office.evaluate("document.documentElement.scrollWidth") <= width
    # Today has a frame but the same width as the other days.
    expect(office.locator(".week-day.is-today")).to_have_count(1)
    days = office.locator(".week-day > h2")
    assert len(set(days.evaluate_all("days => days.map(day => day.offsetWidth)"))) == 1
