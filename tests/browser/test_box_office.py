"""Selling, moving and cancelling at the box office, by one clerk and by two at once.

Tests request `show` before `open_page`, so that their pages stop polling before the data goes.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from accounts.models import AuditEntry
from accounts.roles import ensure_roles
from bookings.models import Booking, Order
from catalog.models import Show, Theatre
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import database_url, web_server

PASSWORD = "popcorn-at-eight"
SALES = 50


@pytest.fixture
def show(transactional_db: None) -> Show:
    """A show with 200 seats, and two clerks of its theatre."""
    ensure_roles()
    show = ShowFactory(start_time=timezone.now() + timedelta(minutes=5))
    make_seats(show, *["S" * 20] * 10)
    for name in ("bea", "ben"):
        clerk = UserFactory(email=f"{name}@example.com", password=PASSWORD, is_staff=True)
        clerk.groups.add(Group.objects.get(name="Box office"))
        show.theatre.staff.add(clerk)
    return show


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("site") / "site.log"
    with web_server(log, DATABASE_URL=database_url()) as server:
        yield f"http://127.0.0.1:{server.port}"


def log_in(page: Page, site: str, name: str) -> None:
    page.goto(f"{site}/admin/box-office/", timeout=60_000)  # the first request starts the site
    page.fill("[name=username]", f"{name}@example.com")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Find order")).to_be_visible()


# Polling could miss a button that is disabled only for a moment.
COUNT_PAUSES = """
() => {
  window.pauses = 0;
  const button = document.getElementById("counter-submit");
  const count = new MutationObserver(() => { window.pauses += button.disabled; });
  count.observe(button, { attributes: true });
}
"""

SELL = """
async ({ sales }) => {
  const form = document.getElementById("counter-form");
  const statuses = [];
  while (statuses.filter((status) => status === 200).length < sales) {
    const { best } = await (await fetch(`${form.dataset.seats}?best=2`)).json();
    const sale = new FormData(form);
    for (const seat of best) sale.append("seat", seat);
    sale.set("token", crypto.randomUUID().replaceAll("-", ""));
    statuses.push((await fetch(location.href, { method: "POST", body: sale })).status);
  }
  return statuses;
}
"""


def test_fifty_rapid_sales_at_two_counters_sell_no_seat_twice(
    site: str, show: Show, open_page: Callable[..., Page]
) -> None:
    """Both request the best two seats at the same time, so both are offered the same ones."""
    pages = [open_page(quiet=True) for _ in range(2)]
    for page, name in zip(pages, ("bea", "ben"), strict=True):
        log_in(page, site, name)
        page.goto(f"{site}/admin/box-office/shows/{show.pk}/")
    for page in pages:  # start both before waiting for either
        page.evaluate(f"window.statuses = ({SELL})({{ sales: {SALES // 2} }}); undefined")
    statuses = [status for page in pages for status in page.evaluate("window.statuses")]
    # Both tried to sell the same seats, and nothing else failed.
    assert set(statuses) == {HTTPStatus.OK, HTTPStatus.CONFLICT}
    assert statuses.count(HTTPStatus.OK) == Order.objects.count() == SALES
    live = list(Booking.objects.filter(cancelled_at=None).values_list("seat", flat=True))
    assert len(set(live)) == len(live) == 2 * SALES
    assert show.seats.filter(status="booked").count() == 2 * SALES
    assert AuditEntry.objects.filter(action="seats_sold").count() == SALES


@pytest.mark.parametrize(
    ("currency", "price", "total"), [("KWD", "4.255", "8.510"), ("JPY", "1500", "3000")]
)
def test_the_total_has_the_digits_of_the_currency(
    currency: str, price: str, total: str, site: str, show: Show, open_page: Callable[..., Page]
) -> None:
    Theatre.objects.update(currency=currency)
    show.seats.update(price=price)
    page = open_page()
    log_in(page, site, "bea")
    page.goto(f"{site}/admin/box-office/shows/{show.pk}/")
    page.get_by_role("button", name="2", exact=True).click()
    expect(page.get_by_role("button", name=f"Sell {total} {currency}", exact=True)).to_be_visible()


def test_a_total_has_more_digits_than_the_currency_only_if_it_needs_them(
    site: str, show: Show, open_page: Callable[..., Page]
) -> None:
    Theatre.objects.update(currency="JPY")
    show.seats.update(price="1500")
    show.seats.filter(row="A", number__in=[1, 2]).update(price="10.50")  # stored before
    page = open_page()
    log_in(page, site, "bea")
    page.goto(f"{site}/admin/box-office/shows/{show.pk}/")
    for name, total in (("A3", "1500"), ("A1", "1510.50"), ("A2", "1521")):
        page.get_by_role("checkbox", name=f"{name},").check()
        expect(page.get_by_role("button", name=f"Sell {total} JPY", exact=True)).to_be_visible()


class ClickCounter:
    """Clicks, and counts the clicks."""

    def __init__(self) -> None:
        self.clicks = 0

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_clerk_sells_finds_moves_and_cancels_in_nine_clicks(
    width: int, site: str, show: Show, open_page: Callable[..., Page]
) -> None:
    page = open_page(width=width)
    log_in(page, site, "bea")
    clicker = ClickCounter()

    # Sell: choose the show, the party, sell.
    clicker.click(page.get_by_role("link", name=str(show.movie)))
    clicker.click(page.get_by_role("button", name="2", exact=True))
    expect(page.locator("#counter-selection")).to_have_text("G10, G11")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    clicker.click(page.get_by_role("button", name="Sell 24.00 USD"))
    reference = page.locator(".counter-reference").inner_text()
    assert clicker.clicks == 3
    assert Order.objects.get().reference == reference

    # Find the order; the reference may be typed in lower case.
    clicker.click(page.get_by_role("link", name="Box office", exact=True).last)
    page.get_by_role("searchbox", name="Find an order").fill(reference.lower())
    page.keyboard.press("Enter")
    expect(page.locator(".counter-reference")).to_have_text(reference)
    assert clicker.clicks == 4

    # Move one of the two seats.
    clicker.click(page.get_by_role("link", name="Move G10"))
    clicker.click(page.get_by_role("radio", name="G12, Standard, 12.00, available"))
    expect(page.locator("#counter-selection")).to_contain_text("G12")
    page.get_by_label("Reason for moving").fill("Broken seat")
    clicker.click(page.get_by_role("button", name="Move", exact=True))
    expect(page.locator(".counter-seats")).to_have_text("G11, G12")
    assert clicker.clicks == 7

    # Cancel the moved seat.
    clicker.click(page.get_by_role("checkbox", name="G12"))
    page.get_by_label("Reason for cancelling").fill("Ill")
    clicker.click(page.get_by_role("button", name="Cancel selected seats"))
    expect(page.locator(".counter-seats")).to_have_text("G11")
    assert clicker.clicks == 9
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "seats_sold",
        "seat_moved",
        "seats_cancelled",
    ]


def test_a_sale_by_keyboard_while_a_colleague_takes_one_of_the_seats(
    site: str, show: Show, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    log_in(page, site, "bea")
    page.goto(f"{site}/admin/box-office/shows/{show.pk}/")
    page.get_by_role("checkbox", name="A1, Standard, 12.00, available").focus()
    for key in ("Space", "ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(page.locator("#counter-selection")).to_have_text("A1, B2")
    page.evaluate(COUNT_PAUSES)
    show.seats.filter(row="A", number=1).update(status="blocked")
    expect(page.locator("#counter-errors")).to_contain_text("A1")
    expect(page.locator("#counter-selection")).to_have_text("B2")
    # Selling pauses for a moment, as a click under way was meant for both seats.
    expect(page.locator("#counter-submit")).to_be_enabled()
    assert page.evaluate("window.pauses") == 1
    page.get_by_role("checkbox", name="B2, Standard").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".counter-seats")).to_have_text("B2")
    expect(page.get_by_role("link", name="Next customer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#free-seats")).to_have_text("198")
