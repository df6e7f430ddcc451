"""Each kind of page works under its Content-Security-Policy; a console error fails the test."""

from base64 import b32decode
from collections.abc import Callable

import pytest
from django_otp.oath import totp
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_admin_flow import PASSWORD, ada, log_in  # noqa: F401 - a fixture
from tests.factories import MovieFactory

pytestmark = pytest.mark.django_db(transaction=True)

Open = Callable[..., Page]


def background(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundImage")
    return colour


def test_public_pages_load_their_styles(open_page: Open, live_server: LiveServer) -> None:
    page = open_page()
    for path in ("/", "/api/docs/errors", "/api/docs/errors"):
        page.goto(f"{live_server.url}{path}")
        assert background(page).startswith("radial-gradient")


def test_the_docs_are_interactive(open_page: Open, live_server: LiveServer) -> None:
    MovieFactory(title="Vertigo")
    page = open_page()
    page.goto(f"{live_server.url}/api/docs")
    operation = page.locator("#operations-movies-movies_list")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("Vertigo")


@pytest.mark.usefixtures("ada")
def test_the_back_office_works_with_a_second_factor(
    open_page: Open, live_server: LiveServer
) -> None:
    page = open_page()
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/second-factor/")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Set it up").click()
    picture = page.locator("svg.segno")
    expect(picture).to_be_visible()
    key = b32decode(page.locator("#second-factor-key").inner_text())
    page.fill("[name=code]", f"{totp(key):06}")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/admin/")
    for path in ("accounts/user/", "catalog/show/", "catalog/screen/add/", "bookings/order/"):
        page.goto(f"{live_server.url}/admin/{path}")
        expect(page.get_by_role("heading").first).to_be_visible()
        assert page.evaluate("typeof Alpine") == "object"


def test_an_injected_script_does_not_run(chromium: Browser, live_server: LiveServer) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/login/")
    refused = "new Promise(done => addEventListener('securitypolicyviolation', done))"
    page.evaluate(f"void (window.refused = {refused})")  # not awaited yet
    page.evaluate("document.body.innerHTML += '<img src=x onerror=window.ran=1>'")
    page.evaluate("window.refused.then(() => null)")
    assert page.evaluate("typeof window.ran") == "undefined"
    context.close()
