"""Every page of the back office under axe: at a desk and on a phone, light and dark."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.roles import ensure_roles
from catalog.models import Show
from tests.bookings.sold import played, sell
from tests.factories import PriceCardFactory, ScreenFactory, ShowFactory, UserFactory, make_seats

PASSWORD = "popcorn-at-eight"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
# What a page leads to is opened once for each kind of page: numbers in addresses are alike.
NUMBERS = re.compile(r"/(\d+|[0-9a-f-]{36})/")
OUTSIDE = ("/admin/logout", "/admin/jsi18n", "export", "download")

# Pages of the theme or of Django that are not ours to mend: rule, selector part, and why.
EXCEPTIONS: tuple[tuple[str, str, str], ...] = ()


@pytest.fixture
def house(transactional_db: None) -> None:
    """A theatre with something on every page, and somebody who may see all of it."""
    UserFactory(email="ada@example.com", password=PASSWORD, is_staff=True, is_superuser=True)
    ensure_roles()
    screen = ScreenFactory()
    now = timezone.now()
    show = ShowFactory(theatre=screen.theatre, price_card=PriceCardFactory())
    Show.objects.filter(pk=show.pk).update(screen=screen, occupied_until=show.end_time)
    make_seats(show, "SSSS..PPWC", "SSSS..PPWC")
    sell(show, 3)
    for days in (0, 1, 7):
        sell(played(now - timedelta(days=days), "SSSS", theatre=screen.theatre), 2)
    ShowFactory(theatre=screen.theatre)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_no_page_of_the_back_office_shuts_anybody_out(
    size: str,
    theme: Literal["light", "dark"],
    open_page: Callable[..., Page],
    live_server: LiveServer,
    house: None,
) -> None:
    width, height = SIZES[size]
    page = open_page(width=width, height=height)
    page.emulate_media(color_scheme=theme)
    page.goto(f"{live_server.url}/admin/")
    complaints = list(flaws_of(page))
    page.fill("[name=username]", "ada@example.com")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    looked_at = set()
    ahead = ["/admin/"]
    while ahead:
        address = ahead.pop(0)
        kind = NUMBERS.sub("/N/", urlsplit(address).path)
        if kind in looked_at:
            continue
        looked_at.add(kind)
        answer = page.goto(live_server.url + address)
        assert answer is not None
        assert answer.ok, address
        expect(page.locator("html.dark")).to_have_count(int(theme == "dark"))
        complaints += flaws_of(page)
        ahead += leads_to(page)
    assert {"/admin/reports/", "/admin/catalog/show/N/room/", "/admin/catalog/movie/import/"} < (
        looked_at
    )
    assert complaints == []


def leads_to(page: Page) -> list[str]:
    """Return the addresses of the back office that the page links to, filters aside."""
    found: list[str] = page.eval_on_selector_all(
        "a[href]", "links => links.map(link => link.pathname)"
    )
    inside = (address for address in found if address.startswith("/admin/"))
    return [a for a in inside if not any(part in a for part in OUTSIDE)]


def flaws_of(page: Page) -> Iterator[str]:
    """Yield what axe calls serious or critical, with the element it means."""
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    for violation in violations:
        if violation["impact"] not in ("serious", "critical"):
            continue
        for node in violation["nodes"]:
            if not any(
                violation["id"] == rule and part in node["html"] for rule, part, _ in EXCEPTIONS
            ):
                path = urlsplit(page.url).path
                yield f"{path}: {violation['id']}: {node['html'][:200]} {node['any'][:1]}"
