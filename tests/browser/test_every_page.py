"""Accessibility of every page, on desktop and phone, in light and dark mode.

The addresses come from `back_office_rights.txt`, which must list every page of the back office.
"""

from base64 import b32decode
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus

import pytest
from django.utils import timezone
from django_otp.oath import totp
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import Show
from catalog.programme.days import business_day, monday_of
from tests.browser.inspector import PHONE, Accepted, Inspector
from tests.browser.test_admin_flow import PASSWORD, ada, log_in  # noqa: F401 - a fixture
from tests.factories import PriceCardFactory, ScreenFactory
from tests.reports.sold import played, sell
from tests.test_back_office_rights import SampleData, address, make_sample, rows

# Routes that do not return a page.
NOT_PAGES = {
    "admin/search/",  # a fragment of the page that requests it
    "admin/jsi18n/",  # a script
    "admin/box-office/shows/<bigint:show_id>/seats/",  # JSON
    "admin/catalog/movie/export/",
    "admin/catalog/pricecard/export/",
    "admin/catalog/screen/export/",
}
SEAT_MAP = "admin/catalog/show/<int:show_id>/seat-map/"  # answers 409 with the options
API_DOCS = (
    Accepted(
        "nested-interactive",
        "opblock-summary-control",
        "Swagger UI renders its link inside its button",
    ),
    Accepted(
        "scrollable-region-focusable",
        "microlight",
        "Swagger UI renders the examples; the schema next to them has the same content",
    ),
)

COLUMNS = (
    "id,title,description,duration_minutes,certificate,language,genres,poster_url,release_date,"
    "run_ends_on\n"
)

Open = Callable[..., Page]


@pytest.fixture
def sample(ada: object) -> SampleData:  # noqa: F811 - a fixture
    """A theatre with data for every page."""
    sample = make_sample(1)
    card = PriceCardFactory(name="Matinee")
    rooms = (sample.objects["screen"], ScreenFactory(theatre=sample.theatre))
    begins = timezone.now() + timedelta(hours=2)
    for show, screen in zip((sample.show, sample.bare_show), rooms, strict=True):
        begins += timedelta(hours=3)  # so that the two shows can swap screens
        Show.objects.filter(pk=show.pk).update(
            screen=screen,
            price_card=card,
            start_time=begins,
            planned_utc_offset=timedelta(hours=-3),  # so that the page of changed zones lists it
            end_time=begins + timedelta(minutes=100),
            occupied_until=begins + timedelta(minutes=120),
        )
    for days in (0, 1, 7):
        sell(played(timezone.now() - timedelta(days=days), "SSSS", theatre=sample.theatre), 2)
    return sample


@pytest.fixture
def inspector(open_page: Open, live_server: LiveServer, sample: SampleData) -> Iterator[Inspector]:
    """An inspector logged in to the back office; problems that it finds fail the test."""
    page = open_page(quiet=True)
    inspector = Inspector(page)
    log_in(page, live_server)
    yield inspector
    assert not inspector.problems, "\n".join(inspector.problems)


def week_of(sample: SampleData) -> str:
    """Return the Monday of the week of the theatre's shows."""
    begins = Show.objects.get(pk=sample.show.pk).start_time
    return f"{monday_of(business_day(begins, sample.theatre.zone))}"


def pages(sample: SampleData) -> Iterator[str]:
    """Yield the address of each page of the back office."""
    for row in rows():
        shown = row.own[-1] == "200" or row.route == SEAT_MAP
        if row.action == "get" and shown and row.route not in NOT_PAGES:
            yield address(row, sample, week=week_of(sample))


def test_every_back_office_page_is_accessible(
    inspector: Inspector, live_server: LiveServer, sample: SampleData
) -> None:
    addresses = list(pages(sample))
    assert len(addresses) > 80
    for path in addresses:
        answer = inspector.page.goto(f"{live_server.url}{path}")
        assert answer is not None
        assert answer.status in (HTTPStatus.OK, HTTPStatus.CONFLICT), path
        inspector.inspect()


def preview(page: Page) -> None:
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("No changes saved yet.")).to_be_visible()


def preview_plan(page: Page) -> None:
    page.select_option("#id_movie", index=1)
    page.select_option("#id_price_card", index=1)
    page.fill("#id_times", "14:00 23:30")
    preview(page)


def preview_copy(page: Page) -> None:
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("group", name="Shows of this plan")).to_be_visible()


def preview_move(page: Page) -> None:
    page.select_option("#id_screen", index=2)
    page.fill("[name=reason]", "Projector broken")
    preview(page)


def preview_swap(page: Page) -> None:
    page.select_option("#id_other", index=1)
    page.fill("[name=reason]", "Larger room")
    preview(page)


def preview_seats(page: Page) -> None:
    page.select_option("#id_price_card", index=1)
    preview(page)


def preview_import(page: Page) -> None:
    upload(page, ",Vertigo,A fall,128,PG,en,Drama,,2026-01-30,\n")
    expect(page.get_by_role("button", name="Import 1 row")).to_be_visible()


def refuse_import(page: Page) -> None:
    upload(page, ",,A fall,long,PG,en,Drama,,2026-01-30,\n")
    expect(page.get_by_role("region", name="Errors")).to_be_visible()


def upload(page: Page, line: str) -> None:
    file = {"name": "movies.csv", "mimeType": "text/csv", "buffer": (COLUMNS + line).encode()}
    page.set_input_files("[name=file]", [file])
    page.get_by_role("button", name="Preview import").click()


def refuse_movie(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("This field is required.").first).to_be_visible()


def choose_seats(page: Page) -> None:
    page.get_by_role("checkbox", name="A3").check()
    page.get_by_text("Customer name, e-mail and language").click()


def refuse_sale(page: Page) -> None:
    page.evaluate("document.getElementById('counter-form').submit()")
    expect(page.locator(".office-error")).to_be_visible()


def cancel_order(page: Page) -> None:
    page.get_by_role("checkbox").check()
    page.fill("[name=reason]", "Customer is ill")
    page.get_by_role("button", name="Cancel selected seats").click()
    expect(page.locator(".badge-cancelled").first).to_be_visible()


def cancel_show(page: Page) -> None:
    page.fill("[name=reason]", "Projector broken")
    page.fill("[name=orders]", "0")
    page.get_by_role("button", name="Cancel show").click()
    expect(page.get_by_text("This show is cancelled")).to_be_visible()


def block_seat(page: Page) -> None:
    page.get_by_role("checkbox", name="A2").check()
    page.fill("[name=reason]", "Broken")
    page.get_by_role("button", name="Block", exact=True).click()
    expect(page.get_by_text("Blocked A2: Broken", exact=True)).to_be_visible()


def break_layout(page: Page) -> None:
    page.fill("#id_layout", "A  SSX\n")
    expect(page.locator(".layout-errors")).to_contain_text("Line 1")


def ask_to_delete(page: Page) -> None:
    page.locator("#result_list [name=_selected_action]").first.check()
    page.select_option("[name=action]", "delete_selected")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Are you sure").first).to_be_visible()


def open_filters(page: Page) -> None:
    page.get_by_text("Filters").first.click()
    expect(page.locator("#changelist-filter")).to_be_visible()


def open_choice(page: Page) -> None:
    page.locator("#id_movie ~ .select2 .select2-selection").click()
    expect(page.locator(".select2-results__option").first).to_be_visible()


def search_pages(page: Page) -> None:
    page.keyboard.press("t")
    page.keyboard.type("movie")
    expect(page.locator("#search-results a").first).to_be_visible()


def open_account_menu_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="ada@example.com").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def open_phone_menu_by_keyboard(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Menu", exact=True).focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("link", name="Box office").first).to_be_visible()


# A route as in `back_office_rights.txt`, and what to do there. Steps that change data come last.
STEPS: tuple[tuple[str, Callable[[Page], None]], ...] = (
    ("admin/", search_pages),
    ("admin/", open_account_menu_by_keyboard),
    ("admin/", open_phone_menu_by_keyboard),
    ("admin/bookings/order/", open_filters),
    ("admin/catalog/pricecard/", ask_to_delete),
    ("admin/catalog/movie/add/", refuse_movie),
    ("admin/catalog/movie/import/", preview_import),
    ("admin/catalog/movie/import/", refuse_import),
    ("admin/catalog/show/add/", open_choice),
    ("admin/catalog/screen/add/", break_layout),
    ("admin/catalog/show/plan/", preview_plan),
    ("admin/catalog/show/copy-week/", preview_copy),
    ("admin/catalog/show/<int:show_id>/move/", preview_move),
    ("admin/catalog/show/<int:show_id>/swap/", preview_swap),
    ("admin/box-office/shows/<bigint:show_id>/", choose_seats),
    ("admin/box-office/shows/<bigint:show_id>/", refuse_sale),
    ("admin/catalog/show/<int:show_id>/room/", block_seat),
    ("admin/box-office/orders/<slug:reference>/", cancel_order),
    ("admin/catalog/show/<int:show_id>/cancel/", cancel_show),
)


def test_every_dialog_and_result_is_accessible(
    inspector: Inspector, live_server: LiveServer, sample: SampleData
) -> None:
    routes = {row.route: row for row in rows() if row.action == "get"}
    for route, step in STEPS:
        inspector.page.goto(
            f"{live_server.url}{address(routes[route], sample, week=week_of(sample))}"
        )
        step(inspector.page)
        inspector.inspect()
    inspector.page.goto(f"{live_server.url}/admin/catalog/show/{sample.bare_show.pk}/seat-map/")
    preview_seats(inspector.page)
    inspector.inspect()
    for path in (
        "admin/box-office/?q=nobody",
        f"admin/box-office/?q={sample.order.reference}",
        "admin/catalog/movie/?q=nothing",
    ):
        inspector.page.goto(f"{live_server.url}/{path}")
        inspector.inspect()


def test_the_second_factor_is_accessible(inspector: Inspector, live_server: LiveServer) -> None:
    page = inspector.page
    page.goto(f"{live_server.url}/admin/second-factor/")
    inspector.inspect()
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Set it up").click()
    key = page.locator("#second-factor-key")
    expect(key).to_be_visible()
    inspector.inspect()
    page.fill("[name=code]", f"{totp(b32decode(key.inner_text())):06}")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/admin/")
    page.goto(f"{live_server.url}/admin/second-factor/")
    expect(page.get_by_text("Two-factor authentication is on")).to_be_visible()
    inspector.inspect()


def test_every_public_page_is_accessible(
    open_page: Open, live_server: LiveServer, transactional_db: None
) -> None:
    page = open_page(quiet=True)
    inspector = Inspector(page, API_DOCS)
    for path in ("/", "/nowhere", "/admin/nowhere", "/api/docs/errors", "/api/docs"):
        page.goto(f"{live_server.url}{path}")
        if path == "/api/docs":
            page.locator(".opblock-summary-control").first.click()
            expect(page.locator(".opblock-body").first).to_be_visible()
        inspector.inspect()
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("[name=username]", "nobody@example.com")
    page.fill("[name=password]", "guess")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct").first).to_be_visible()
    inspector.inspect()
    assert not inspector.problems, "\n".join(inspector.problems)
