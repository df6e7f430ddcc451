"""The interactive API documentation."""

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from bookings.models import Booking
from demo.accounts import make_demo_accounts
from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)

Open = Callable[..., Page]


def open_docs(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/api/docs")
    expect(page.get_by_role("heading", name="Movie Booking API")).to_be_visible()


def try_out(page: Page, operation: str) -> Locator:
    """Open an operation for a request with its default values."""
    found = page.locator(f"[id$=-{operation}]")
    if not found.locator(".opblock-body").is_visible():
        found.locator("button.opblock-summary-control").click()
    found.get_by_role("button", name="Try it out").click()
    return found


def execute(operation: Locator) -> Locator:
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table .response").first


@pytest.mark.parametrize("width", [1280, 390])
def test_the_docs_load_nothing_from_other_hosts(
    width: int, open_page: Open, live_server: LiveServer
) -> None:
    page = open_page(width=width)
    hosts: set[str] = set()
    page.on(
        "request",
        lambda request: hosts.add(
            urlsplit(request.url)._replace(path="", query="", fragment="").geturl()
        ),
    )
    open_docs(page, live_server)
    page.locator("[id$=-bookings_create] button").first.click()
    expect(page.get_by_text("A new random value for each purchase").first).to_be_visible()
    assert hosts - {"data://"} == {live_server.url}
    # The page does not scroll sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_demo_login_survives_a_reload(open_page: Open, live_server: LiveServer) -> None:
    make_demo_accounts()
    page = open_page(quiet=True)  # Swagger UI logs a deprecation of its own links as an error
    open_docs(page, live_server)
    page.get_by_role("button", name="Log in as the demo customer").click()
    expect(page.get_by_role("status")).to_contain_text("customer@example.com")
    page.reload()
    answer = execute(try_out(page, "auth_me"))
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text("Carla Customer")


def test_a_login_that_is_executed_counts_for_other_calls(
    open_page: Open, live_server: LiveServer
) -> None:
    make_demo_accounts()
    page = open_page()
    open_docs(page, live_server)
    expect(execute(try_out(page, "auth_login"))).to_contain_text("200")
    expect(execute(try_out(page, "auth_me"))).to_contain_text("Carla Customer")


def test_the_default_purchase_works_again_and_again(
    open_page: Open, live_server: LiveServer
) -> None:
    make_demo_accounts()
    make_seats(ShowFactory(), "SSSSSS")
    page = open_page()
    keys = set()
    for count in (1, 2):
        open_docs(page, live_server)
        page.get_by_role("button", name="Log in as the demo customer").click()
        expect(page.get_by_role("status")).to_contain_text("customer@example.com")
        purchase = try_out(page, "bookings_create")
        key = purchase.get_by_placeholder("Idempotency-Key")
        keys.add(str(UUID(first := key.input_value())))
        expect(execute(purchase)).to_contain_text("201")
        expect(key).not_to_have_value(first)  # the next purchase has another
        assert Booking.objects.count() == count
    assert len(keys) == 2


def test_the_forms_of_a_purchase_are_named_and_errors_are_short(
    open_page: Open, live_server: LiveServer
) -> None:
    page = open_page()
    open_docs(page, live_server)
    purchase = try_out(page, "bookings_create")
    choice = purchase.locator(".examples-select select")
    assert choice.locator("option").all_inner_texts()[:3] == [
        "One seat",
        "Several seats",
        "The seats of a hold",
    ]
    body = purchase.locator("textarea")
    for name, member in [("Several seats", '"seat_ids"'), ("The seats of a hold", '"hold_id"')]:
        choice.select_option(label=name)
        expect(body).to_contain_text(member)
    refused = purchase.locator(".responses-table .response[data-code='409']")
    expect(refused).to_contain_text("seat_unavailable")
    expect(refused.locator("pre")).to_have_count(0)


def test_responses_are_as_wide_as_a_phone(open_page: Open, live_server: LiveServer) -> None:
    page = open_page(width=390)
    open_docs(page, live_server)
    purchase = try_out(page, "bookings_create")
    texts = purchase.locator(
        ".response > .response-col_description, table.headers .renderedMarkdown"
    )
    expect(texts.first).to_be_visible()
    assert min(texts.evaluate_all("(all) => all.map((each) => each.clientWidth)")) > 250


@pytest.mark.parametrize(
    ("theme", "colour"), [("light", "rgb(250, 250, 250)"), ("dark", "rgb(28, 32, 34)")]
)
def test_the_page_follows_the_theme_of_the_system_and_links_to_the_front_page(
    theme: Literal["light", "dark"], colour: str, open_page: Open, live_server: LiveServer
) -> None:
    page = open_page()
    page.emulate_media(color_scheme=theme)
    open_docs(page, live_server)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour
    page.get_by_role("link", name="Movie Booking").click()
    page.wait_for_url(f"{live_server.url}/")
