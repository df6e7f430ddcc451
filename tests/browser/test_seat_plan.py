"""A seat plan that is drawn from the API's layout, for keyboards and screen readers."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from bookings.models import Booking
from catalog.layouts import parse_layout
from catalog.models import PriceCard, Seat, Show
from catalog.seat_maps import block_seats, make_seat_map, prices_of, replace_seat_map
from tests.bookings.calls import bought, end_show
from tests.browser.inspector import PHONE, Inspector
from tests.factories import PriceCardFactory, ShowFactory, UserFactory
from tests.live import HIDE, IS_CLOSED, IS_LISTENING, RECORD, STATES, LiveProcess, live_process

LAYOUT = """\
A    SSSSSS..SSSSSS..SSSSWC
B    SSSSSS..SSSSSS..SSSSSS

C    PPPPPP..PPPPPP..PPPPPP
= Balcony
A    ..SSSS..SSSSSS..SSSS..
"""
Open = Callable[..., Page]


@pytest.fixture
def card(transactional_db: None) -> PriceCard:
    card: PriceCard = PriceCardFactory()
    return card


@pytest.fixture
def show(card: PriceCard) -> Show:
    """A show with LAYOUT. A2 is blocked."""
    show: Show = ShowFactory(theatre__currency="EUR")
    make_seat_map(show_id=show.pk, layout=parse_layout(LAYOUT), prices=prices_of(card))
    block_seats(show_id=show.pk, seat_ids=[seat_of(show, "A", 2).pk], reason="Broken")
    return show


@pytest.fixture
def open_plan(
    open_page: Open, live_server: LiveServer, client_address: str, user: User, show: Show
) -> Open:
    def open_plan(width: int = 1280, height: int = 900, *, quiet: bool = False) -> Page:
        page = open_page(width, height, quiet=quiet)
        page.add_init_script(RECORD)
        token = issue_tokens(user).access
        query = f"api={live_server.url}&show={show.pk}&token={token}"
        page.goto(f"{client_address}seat_plan.html?{query}")
        expect(page.get_by_role("gridcell")).to_have_count(68)
        return page

    return open_plan


@pytest.fixture
def live(client_address: str, settings: Settings, tmp_path: Path) -> Iterator[LiveProcess]:
    with live_process(tmp_path / "log", pages=client_address.rstrip("/")) as live:
        settings.LIVE_URL = live.url
        yield live


def seat_of(show: Show, row: str, number: int) -> Seat:
    return Seat.objects.get(show=show, row=row, number=number)


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def cell(page: Page, row: str, number: int) -> Locator:
    return page.get_by_role("gridcell", name=re.compile(f"^Row {row}, seat {number},"))


def test_axe_accepts_the_plan_in_all_sizes_and_themes(open_plan: Open) -> None:
    page = open_plan()
    cell(page, "C", 3).click()  # with a selected seat, too
    inspector = Inspector(page)
    inspector.inspect()
    assert inspector.problems == []


def test_a_keyboard_chooses_and_books_seats(open_plan: Open, user: User) -> None:
    page = open_plan()
    message = page.get_by_role("status")
    # The only tab stop of the grid is the seat nearest to the focal point.
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_accessible_name(
        "Row C, seat 9, premium, 15.00 EUR, 3 from the left aisle, available"
    )
    assert focused(page).evaluate("seat => getComputedStyle(seat).outlineStyle") == "solid"
    page.keyboard.press("ArrowUp")
    expect(focused(page)).to_have_accessible_name(
        "Row B, seat 9, standard, 12.00 EUR, 3 from the left aisle, available"
    )
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(focused(page)).to_have_accessible_name(  # across the aisle
        "Row B, seat 6, standard, 12.00 EUR, 1 from the right aisle, available"
    )
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")  # row A is the first, so the focus stays
    expect(focused(page)).to_have_accessible_name(
        "Row A, seat 1, standard, 12.00 EUR, 1 from the left aisle, available"
    )
    page.keyboard.press("Space")
    expect(message).to_have_text("Row A, seat 1 selected. Seats selected: 1.")
    expect(focused(page)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(message).to_have_text("Row A, seat 2 is not available.")
    expect(focused(page)).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("End")
    expect(focused(page)).to_have_accessible_name(
        "Row A, seat 18, companion seat, 9.00 EUR, 1 from the right aisle,"
        " beside Row A, seat 17, available"
    )
    page.keyboard.press("ArrowLeft")
    expect(focused(page)).to_have_accessible_name(
        "Row A, seat 17, wheelchair bay, 9.00 EUR, 2 from the right aisle,"
        " with Row A, seat 18, available"
    )
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect(message).to_have_text("Row A, seat 1 removed. Seats selected: 1.")
    expect(page.get_by_role("listitem")).to_have_text(["Row A, seat 17, 9.00 EUR"])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the button
    expect(cell(page, "A", 17)).to_have_attribute("aria-disabled", "true")
    booking = Booking.objects.get(user=user)
    assert booking.order is not None
    expect(message).to_contain_text(booking.order.reference)
    assert str(booking.seat) == "A17"
    expect(page.get_by_role("button", name="Book")).to_be_focused()
    page.keyboard.press("Enter")
    expect(message).to_have_text("Select a seat first.")


def test_seats_that_others_book_are_announced(
    open_plan: Open, login: Callable[[User], APIClient], show: Show
) -> None:
    page = open_plan()
    cell(page, "Balcony A", 1).click()
    bought(login(UserFactory()), seat_of(show, "Balcony A", 1), seat_of(show, "Balcony A", 2))
    expect(page.get_by_role("status")).to_have_text("No longer available: Row Balcony A, seat 1.")
    for number in (1, 2):
        expect(cell(page, "Balcony A", number)).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_role("listitem")).to_have_count(0)


@pytest.mark.usefixtures("live")
def test_the_stream_updates_seats_and_announces_only_those_that_were_selected(
    open_plan: Open, login: Callable[[User], APIClient], show: Show
) -> None:
    page = open_plan(quiet=True)
    page.wait_for_function(IS_LISTENING)
    page.route("**/seats?fields=status", Route.abort)
    cell(page, "C", 3).click()
    page.evaluate("window.announced.length = 0")
    others = login(UserFactory())
    for number in (1, 2, 3):
        bought(others, seat_of(show, "C", number))
        expect(cell(page, "C", number)).to_have_attribute("aria-disabled", "true")
    assert page.evaluate("window.announced") == ["No longer available: Row C, seat 3."]


def test_a_page_that_a_proxy_refused_polls_and_then_listens_again(
    live: LiveProcess, open_plan: Open, login: Callable[[User], APIClient], show: Show
) -> None:
    page = open_plan(quiet=True)
    page.wait_for_function(IS_LISTENING)
    live.stop()
    page.wait_for_function(IS_CLOSED)
    others = login(UserFactory())
    bought(others, seat_of(show, "C", 1))
    expect(cell(page, "C", 1)).to_have_attribute("aria-disabled", "true")
    live.start()
    page.wait_for_function(IS_LISTENING)
    page.route("**/seats?fields=status", Route.abort)
    bought(others, seat_of(show, "C", 2))
    expect(cell(page, "C", 2)).to_have_attribute("aria-disabled", "true")
    expect(cell(page, "C", 1)).to_have_attribute("aria-disabled", "true")


@pytest.mark.usefixtures("live")
def test_a_page_opens_no_stream_after_the_end_of_a_show(open_plan: Open, show: Show) -> None:
    page = open_plan(quiet=True)
    page.wait_for_function(IS_LISTENING)
    end_show(show)
    for _ in range(2):
        page.wait_for_function(IS_CLOSED)
        with page.expect_request("**/seats?fields=status"):
            pass
        assert page.evaluate(STATES) == [2]
        page.reload()


@pytest.mark.usefixtures("live")
def test_a_hidden_page_closes_its_stream_and_catches_up_when_it_is_shown(
    open_plan: Open, login: Callable[[User], APIClient], show: Show
) -> None:
    page = open_plan(quiet=True)
    page.wait_for_function(IS_LISTENING)
    page.evaluate(HIDE, True)
    assert page.evaluate(STATES) == [2]
    bought(login(UserFactory()), seat_of(show, "C", 1))
    expect(cell(page, "C", 1)).to_have_attribute("aria-disabled", "false")
    page.evaluate(HIDE, False)
    expect(cell(page, "C", 1)).to_have_attribute("aria-disabled", "true")
    page.wait_for_function(IS_LISTENING)
    assert page.evaluate(STATES) == [2, 1]


def test_a_new_seat_map_is_drawn(open_plan: Open, card: PriceCard, show: Show) -> None:
    page = open_plan()
    cell(page, "C", 3).click()
    replace_seat_map(show_id=show.pk, layout=parse_layout("A SS.S"), prices=prices_of(card))
    expect(page.get_by_role("gridcell")).to_have_count(3)
    expect(page.get_by_role("status")).to_have_text(
        "The seats of this show have changed. Seats selected: 0."
    )
    expect(page.get_by_role("listitem")).to_have_count(0)
    expect(cell(page, "A", 2)).to_be_focused()  # the best seat


def test_other_prices_change_neither_the_focus_nor_the_selection(
    open_plan: Open, show: Show
) -> None:
    page = open_plan()
    for number in (1, 3):
        cell(page, "C", number).click()
    Seat.objects.filter(show=show, row="C").update(price=Decimal(20))
    expect(page.get_by_role("listitem")).to_have_text(
        ["Row C, seat 1, 20.00 EUR", "Row C, seat 3, 20.00 EUR"]
    )
    expect(cell(page, "C", 3)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("listitem")).to_have_text(["Row C, seat 1, 20.00 EUR"])


def test_a_phone_scrolls_to_the_seat_in_focus(open_plan: Open) -> None:
    page = open_plan(**PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.keyboard.press("Tab")
    for key in ("End", "Home"):
        page.keyboard.press(key)
        box = focused(page).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, target size
