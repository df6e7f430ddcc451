"""The TypeScript client in Chromium, on a page of another origin than the API."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import SignIn, User
from accounts.tokens import Tokens, issue_tokens
from benchmarks.servers import UNLIMITED
from bookings.models import Booking
from tests.bookings.calls import bought
from tests.browser.client_site import client_site
from tests.clients.conftest import PACKAGE, stored
from tests.clients.proxy import FaultyProxy, faulty_proxy
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.live import live_process
from tests.web import database_url, web_server

pytestmark = pytest.mark.django_db(transaction=True)

Open = Callable[..., Page]
ME = "/api/auth/me"
REFRESH = "/api/auth/refresh"

MAKE_CLIENT = """async ({ url, tokens }) => {
  const { Client, browserStorage } = await import("movie-booking-client");
  browserStorage().save(tokens);
  globalThis.ended = [];
  globalThis.client = new Client({
    baseUrl: url, onSessionEnd: (problem) => ended.push(problem?.code ?? "elsewhere"),
  });
}"""
# With its cache, Chromium lets the second tab wait until the first has the response.
CALL = """() => {
  const answer = client.api.GET("/api/auth/me", { cache: "no-store" });
  globalThis.call = answer.then(({ data, error }) => data?.id ?? error.code);
}"""


@pytest.fixture
def origin() -> Iterator[str]:
    with client_site(PACKAGE) as origin:
        yield origin


@pytest.fixture
def example_address(origin: str) -> str:
    return f"{origin}/examples/"


@pytest.fixture
def proxy(tmp_path: Path, origin: str) -> Iterator[FaultyProxy]:
    environment = {"DATABASE_URL": database_url(), "CORS_ALLOWED_ORIGINS": origin, **UNLIMITED}
    with (
        web_server(tmp_path / "log", **environment) as server,
        faulty_proxy(server.port) as proxy,
    ):
        yield proxy


@pytest.fixture
def tabs(open_page: Open, example_address: str, proxy: FaultyProxy) -> Callable[..., list[Page]]:
    """Open two tabs of a browser whose client has these tokens."""

    def make(tokens: Tokens, *, locks: bool = True) -> list[Page]:
        first = open_page(quiet=True)
        pages = [first, first.context.new_page()]
        for page in pages:
            if not locks:
                page.add_init_script("delete Navigator.prototype.locks")
            page.goto(example_address)
            page.evaluate(
                MAKE_CLIENT, {"url": proxy.url, "tokens": stored(tokens, token="not-a-token")}
            )
        return pages

    return make


def results(pages: list[Page]) -> list[Any]:
    return [page.evaluate("call") for page in pages]


def test_the_example_page_buys_two_seats(
    open_page: Open,
    example_address: str,
    proxy: FaultyProxy,
) -> None:
    make_seats(ShowFactory(), "S.SSS")
    customer = UserFactory(password="popcorn-at-eight")
    page = open_page()
    page.goto(f"{example_address}?api={proxy.url}")
    page.get_by_placeholder("E-mail").fill(customer.email)
    page.get_by_placeholder("Password").fill("popcorn-at-eight")
    page.get_by_role("button", name="Buy two seats").click()
    expect(page.locator("output")).not_to_be_empty()
    bookings = Booking.objects.filter(order__reference=page.locator("output").text_content())
    assert {booking.user_id for booking in bookings} == {customer.pk}
    assert len(bookings) == 2


def test_two_tabs_share_one_refresh(
    tabs: Callable[..., list[Page]],
    proxy: FaultyProxy,
    user: User,
) -> None:
    pages = tabs(issue_tokens(user))
    proxy.break_next(ME, "hang", times=2)
    for page in pages:
        page.evaluate(CALL)
    proxy.wait_for(ME, 401, times=2)
    proxy.release()
    assert results(pages) == [user.pk, user.pk]
    assert len(proxy.of(REFRESH)) == 1


def test_two_tabs_without_web_locks_both_stay_signed_in(
    tabs: Callable[..., list[Page]],
    proxy: FaultyProxy,
    user: User,
) -> None:
    """Browsers have no Web Locks on pages without HTTPS."""
    pages = tabs(issue_tokens(user), locks=False)
    proxy.break_next(REFRESH, "hang", times=2)
    for page in pages:
        page.evaluate(CALL)
    proxy.wait_for(REFRESH, 200, times=2)
    proxy.release()
    assert results(pages) == [user.pk, user.pk]
    assert [page.evaluate("ended") for page in pages] == [[], []]


def test_both_tabs_report_the_end_of_their_session(
    tabs: Callable[..., list[Page]],
    proxy: FaultyProxy,
    user: User,
) -> None:
    tokens = issue_tokens(user)
    SignIn.objects.filter(user=user).delete()
    pages = tabs(tokens)
    proxy.break_next(ME, "hang", times=2)
    for page in pages:
        page.evaluate(CALL)
    proxy.wait_for(ME, 401, times=2)
    proxy.release()
    assert results(pages) == ["token_invalid", "token_invalid"]
    ended = sorted(page.evaluate("ended") for page in pages)
    assert ended == [["elsewhere"], ["token_revoked"]]
    assert pages[0].evaluate("localStorage.length") == 0


def test_a_refusal_can_be_read_after_a_refresh_that_took_longer_than_a_call_may(
    open_page: Open,
    example_address: str,
    proxy: FaultyProxy,
    user: User,
) -> None:
    tokens = issue_tokens(user)
    SignIn.objects.filter(user=user).delete()
    page = open_page(quiet=True)
    page.goto(example_address)
    slow_refresh = """async ({ url, tokens }) => {
      const { Client, memoryStorage } = await import("movie-booking-client");
      const storage = memoryStorage();
      storage.save(tokens);
      const timeoutMs = 1000;
      const fetch = async (request) => {
        if (request.url.endsWith("/refresh")) {
          await new Promise((resolve) => setTimeout(resolve, timeoutMs + 100));
        }
        return globalThis.fetch(request);
      };
      const client = new Client({ baseUrl: url, storage, timeoutMs, fetch });
      return (await client.api.GET("/api/auth/me")).error.code;
    }"""
    given = {"url": proxy.url, "tokens": stored(tokens)}
    assert page.evaluate(slow_refresh, given) == "token_revoked"


def test_a_page_follows_the_seats_of_a_show_also_after_a_restart_of_the_live_process(
    open_page: Open,
    origin: str,
    example_address: str,
    login: Callable[[User], APIClient],
    settings: Settings,
    tmp_path: Path,
) -> None:
    """The second stream resumes with Last-Event-ID, which CORS must allow."""
    seat, *_ = make_seats(ShowFactory(), "SSS")
    path = f"/api/shows/{seat.show_id}/seats"
    follow = """async ({ url, show }) => {
      const { Client } = await import("movie-booking-client");
      const cinema = new Client({ baseUrl: url });
      for await (const { unavailable } of cinema.watchSeats(show)) {
        window.unavailable = [...unavailable.keys()];
      }
    }"""
    environment = {"DATABASE_URL": database_url(), "CORS_ALLOWED_ORIGINS": origin, **UNLIMITED}
    with (
        live_process(tmp_path / "live.log", pages=origin) as live,
        web_server(tmp_path / "site.log", LIVE_URL=live.url, **environment) as server,
    ):
        page = open_page(quiet=True)
        page.goto(example_address)
        given = {"url": f"http://127.0.0.1:{server.port}", "show": seat.show_id}
        page.evaluate(f"(given) => {{ ({follow})(given); }}", given)
        page.wait_for_function("window.unavailable?.length === 0")
        live.stop()
        live.start()
        live.proxy.wait_for(f"{path}/events", 200, times=2)
        page.route(f"**{path}?fields=status", Route.abort)
        settings.LIVE_URL = live.url
        bought(login(UserFactory()), seat)
        page.wait_for_function(f"window.unavailable.includes({seat.pk})")
        page.close()
