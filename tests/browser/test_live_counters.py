"""Two counters that sell the same show: each learns from the live process what the other sells.

Tests request `counters` before they change anything, so that their pages end before the data.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from benchmarks.servers import free_port
from catalog.models import Seat, Show
from tests.bookings.calls import end_show
from tests.browser.test_box_office import log_in, show  # noqa: F401 - a fixture
from tests.live import HIDE, IS_CLOSED, IS_LISTENING, RECORD, STATES, LiveProcess, live_process
from tests.web import database_url, web_server

SELL_WITHOUT_LEAVING = """() => {
  window.streams[0].addEventListener("seats", () => { window.heard = true; });
  document.getElementById("counter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    fetch(location.href, { method: "POST", body: new FormData(event.target) });
  });
}"""
POLLS = "**/admin/box-office/shows/*/seats/"


@pytest.fixture(scope="module")
def origin() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def live(
    django_db_setup: None, origin: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveProcess]:
    folder = tmp_path_factory.mktemp("live")
    port = int(origin.rpartition(":")[2])
    with (
        live_process(folder / "live.log", pages=origin) as live,
        web_server(folder / "site.log", port=port, LIVE_URL=live.url, DATABASE_URL=database_url()),
    ):
        yield live


@pytest.fixture
def counters(
    show: Show,  # noqa: F811
    live: LiveProcess,
    origin: str,
    open_page: Callable[..., Page],
) -> Callable[..., list[Page]]:
    """Open the room at the counters of these clerks."""

    def open_rooms(*clerks: str) -> list[Page]:
        pages = [open_page(quiet=True) for _ in clerks]
        for page, clerk in zip(pages, clerks, strict=True):
            page.add_init_script(RECORD)
            log_in(page, origin, clerk)
            page.goto(f"{origin}/admin/box-office/shows/{show.pk}/")
            page.wait_for_function(IS_LISTENING)
        return pages

    return open_rooms


def seat(page: Page, name: str) -> Locator:
    return page.get_by_role("checkbox", name=f"{name}, ")


def sell(page: Page, *names: str) -> None:
    for name in names:
        seat(page, name).check()
    page.get_by_role("button", name="Sell").click()
    expect(page.locator(".counter-reference")).to_be_visible()


def test_a_counter_learns_of_sales_and_cancellations_without_polling(
    counters: Callable[..., list[Page]],
) -> None:
    bea, ben = counters("bea", "ben")
    ben.route(POLLS, Route.abort)
    sell(bea, "A1", "A2")
    expect(seat(ben, "A1")).to_be_disabled()
    expect(seat(ben, "A2")).to_have_accessible_name("A2, Standard, 12.00, booked")
    expect(ben.locator("#free-seats")).to_have_text("198")
    bea.get_by_role("checkbox", name="A1").check()
    bea.get_by_label("Reason for cancelling").fill("Ill")
    bea.get_by_role("button", name="Cancel selected seats").click()
    expect(seat(ben, "A1")).to_be_enabled()
    expect(ben.locator("#free-seats")).to_have_text("199")


def test_a_counter_polls_only_to_check_while_it_listens(
    counters: Callable[..., list[Page]],
) -> None:
    (page,) = counters("bea")
    page.clock.install()
    page.reload()
    page.wait_for_function(IS_LISTENING)
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url))
    page.clock.run_for(25_000)
    assert polls == []
    page.clock.run_for(10_000)
    page.wait_for_load_state("networkidle")
    assert len(polls) == 1


def test_a_counter_polls_while_the_live_process_is_away_and_listens_again_afterwards(
    counters: Callable[..., list[Page]], live: LiveProcess
) -> None:
    bea, ben = counters("bea", "ben")
    live.stop()
    ben.wait_for_function(IS_CLOSED)
    sell(bea, "A1")
    expect(seat(ben, "A1")).to_be_disabled()
    live.start()
    ben.wait_for_function(IS_LISTENING)
    ben.route(POLLS, Route.abort)
    bea.get_by_role("link", name="Next customer").click()
    sell(bea, "A2")
    expect(seat(ben, "A2")).to_be_disabled()
    expect(seat(ben, "A1")).to_be_disabled()


def test_a_counter_opens_no_stream_after_the_end_of_a_show(
    counters: Callable[..., list[Page]],
    show: Show,  # noqa: F811
) -> None:
    (page,) = counters("bea")
    end_show(show)
    for _ in range(2):
        page.wait_for_function(IS_CLOSED)
        with page.expect_request(POLLS):
            pass
        assert page.evaluate(STATES) == [2]
        page.reload()


def test_a_counter_reports_new_prices_and_seats(
    counters: Callable[..., list[Page]],
    show: Show,  # noqa: F811
) -> None:
    (page,) = counters("bea")
    sell(page, "A1")
    page.get_by_role("link", name="Next customer").click()
    page.wait_for_function(IS_LISTENING)
    expect(page.locator("#counter-errors")).to_be_hidden()
    Seat.objects.filter(show=show, row="B").update(price=99)
    expect(page.locator("#counter-errors")).to_contain_text("Reload this page", timeout=30_000)


def test_a_hidden_page_closes_its_stream_and_catches_up_when_it_is_shown(
    counters: Callable[..., list[Page]],
) -> None:
    bea, ben = counters("bea", "ben")
    ben.evaluate(HIDE, True)
    assert ben.evaluate(STATES) == [2]
    sell(bea, "A1")
    expect(seat(ben, "A1")).to_be_enabled()
    ben.evaluate(HIDE, False)
    expect(seat(ben, "A1")).to_be_disabled()
    ben.wait_for_function(IS_LISTENING)


def test_a_counter_does_not_report_its_own_sale_as_another_customers(
    counters: Callable[..., list[Page]],
) -> None:
    """The event of a sale may come before the page that confirms it."""
    (page,) = counters("bea")
    page.evaluate(SELL_WITHOUT_LEAVING)
    seat(page, "A1").check()
    page.get_by_role("button", name="Sell").click()
    page.wait_for_function("window.heard")
    assert page.evaluate("window.announced") == ["A1"]  # when it was selected
    expect(page.get_by_role("button", name="Sell")).to_be_disabled()


def test_what_others_sell_is_announced_only_if_it_was_selected(
    counters: Callable[..., list[Page]],
) -> None:
    bea, ben = counters("bea", "ben")
    seat(ben, "B1").check()
    ben.evaluate("window.announced.length = 0")
    for name in ("A1", "A2", "A3"):
        sell(bea, name)
        expect(seat(ben, name)).to_be_disabled()
        bea.get_by_role("link", name="Next customer").click()
    assert ben.evaluate("window.announced") == []
    expect(seat(ben, "B1")).to_be_checked()
    sell(bea, "B1")
    expect(ben.locator("#counter-errors")).to_contain_text("B1")
    # The keyboard continues at the nearest seat that is free.
    expect(seat(ben, "B2")).to_be_focused()
    for key in ("ArrowRight", "Space"):
        ben.keyboard.press(key)
    expect(ben.locator("#counter-selection")).to_have_text("B3")
