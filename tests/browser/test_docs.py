"""The interactive API documentation."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer


@pytest.mark.parametrize("width", [1280, 390])
def test_the_docs_load_nothing_from_other_hosts(
    width: int, open_page: Callable[..., Page], live_server: LiveServer
) -> None:
    page = open_page(width=width)
    hosts: set[str] = set()
    page.on(
        "request",
        lambda request: hosts.add(
            urlsplit(request.url)._replace(path="", query="", fragment="").geturl()
        ),
    )
    page.goto(f"{live_server.url}/api/docs")
    expect(page.get_by_role("heading", name="Movie Booking API")).to_be_visible()
    page.locator("[id$=-bookings_create] button").first.click()
    expect(page.get_by_text("A new random value for each purchase").first).to_be_visible()
    assert hosts - {"data://"} == {live_server.url}
    # The page does not scroll sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
