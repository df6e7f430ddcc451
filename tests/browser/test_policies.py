"""Every kind of page works under its Content-Security-Policy: a complaint of the browser fails."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.test import Client
from django.urls import URLResolver, get_resolver
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from accounts.models import User
from tests.bookings.calls import bought, held
from tests.browser.test_admin_flow import ada, log_in  # noqa: F401 - a fixture
from tests.factories import MovieFactory, ScreenFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)

Open = Callable[..., Page]


def background(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundImage")
    return colour


def test_pages_of_ours_keep_their_style(open_page: Open, live_server: LiveServer) -> None:
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
def test_the_back_office_works_and_asks_for_a_code(
    open_page: Open, live_server: LiveServer
) -> None:
    page = open_page()
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/second-factor/")
    picture = page.locator("svg.segno")
    expect(picture).to_be_visible()
    key = TOTPDevice.objects.get()
    page.fill("[name=code]", f"{totp(key.bin_key):06}")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/admin/")
    for path in ("accounts/user/", "catalog/show/", "catalog/screen/add/", "bookings/order/"):
        page.goto(f"{live_server.url}/admin/{path}")
        expect(page.get_by_role("heading").first).to_be_visible()
        assert page.evaluate("typeof Alpine") == "object"


def addresses(resolver: Any, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, path)
        elif path.startswith("admin/") and "(?P" not in path:
            yield path


def pages_of_the_back_office(office: Client) -> Iterator[str]:
    """Yield the address of each page; where it is about one row, about the first there is."""
    for address in addresses(get_resolver()):
        path = address
        if gaps := re.findall(r"<[^>]+>", address):
            _, app, model, *_ = address.split("/")
            kind = apps.all_models.get(app, {}).get(model)
            row = kind.objects.first() if kind and len(gaps) == 1 else None
            if row is None:
                continue
            path = address.replace(gaps[0], str(row.pk))
        answer = office.get(f"/{path}")
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            yield f"/{path}"


@pytest.mark.usefixtures("ada")
def test_every_page_of_the_back_office_works(
    open_page: Open, live_server: LiveServer, office: Client, login: Callable[[User], APIClient]
) -> None:
    buyer = UserFactory()
    seats = make_seats(ShowFactory(), "SSSSSS")
    bought(login(buyer), *seats[:2])
    held(login(buyer), seats[4])
    ScreenFactory()
    TOTPDevice.objects.create(user=buyer, confirmed=True, name="Phone")
    AccessAttempt.objects.create(
        username=buyer.email, ip_address="10.0.0.1", failures_since_start=1
    )
    pages = list(pages_of_the_back_office(office))
    # Lists, forms, questions before removing, and pages of no model.
    assert {"/admin/", "/admin/second-factor/", "/admin/bookings/order/"} <= set(pages)
    assert len(pages) > 40
    page = open_page()
    log_in(page, live_server)
    for path in pages:
        page.goto(f"{live_server.url}{path}")
        expect(page.get_by_role("heading").first).to_be_visible()


def test_a_script_written_into_a_page_does_not_run(
    chromium: Browser, live_server: LiveServer
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/login/")
    refused = "new Promise(done => addEventListener('securitypolicyviolation', done))"
    page.evaluate(f"void (window.refused = {refused})")  # not awaited yet
    page.evaluate("document.body.innerHTML += '<img src=x onerror=window.ran=1>'")
    page.evaluate("window.refused.then(() => null)")
    assert page.evaluate("typeof window.ran") == "undefined"
    context.close()
