"""A room is painted in the layout editor, and blocked by the dozen in the room of a show."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from catalog.layouts import MAX_ROWS, MAX_SEATS_PER_ROW, LayoutError, parse_layout
from catalog.models import Screen, Show
from tests.factories import ScreenFactory, ShowFactory, UserFactory, make_seats

LAYOUT = "A  SSSS\nB  SSSS\n\nC  PPWC\n"


@pytest.fixture
def page(
    transactional_db: None, open_page: Callable[..., Page], live_server: LiveServer, client: Client
) -> Page:
    """A page of somebody who has logged in to the back office."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = open_page(height=1200)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    page.context.add_cookies([cookie])  # type: ignore[list-item] # its keys are strings
    return page


@pytest.fixture
def screen(page: Page, live_server: LiveServer) -> Screen:
    """A screen, its form just opened."""
    screen = ScreenFactory(layout=LAYOUT)
    page.goto(f"{live_server.url}/admin/catalog/screen/{screen.pk}/change/")
    return screen


@pytest.fixture
def show(page: Page, live_server: LiveServer) -> Show:
    """A show with three rows of six seats, its room just opened."""
    show = ShowFactory()
    make_seats(show, *["SSSSSS"] * 3)
    page.goto(f"{live_server.url}/admin/catalog/show/{show.pk}/room/")
    return show


def text_of(page: Page) -> Locator:
    return page.locator("#id_layout")


def place(page: Page, name: str) -> Locator:
    return page.get_by_role("gridcell", name=name, exact=True)


def seat(page: Page, name: str) -> Locator:
    return page.get_by_role("checkbox", name=f"{name},")


def use(page: Page, *tools: str) -> None:
    for tool in tools:
        page.get_by_role("button", name=tool, exact=True).click()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def drag(page: Page, start: Locator, end: Locator) -> None:
    """Press on the middle of one, and let go on the middle of the other."""
    target = end.element_handle()
    assert target is not None
    start.hover()
    page.mouse.down()
    target.hover()  # by what it is: its name may have changed under the stroke
    page.mouse.up()


def picture(page: Page) -> list[list[str]]:
    """Return the kind of every cell, as drawn."""
    kinds: list[list[str]] = page.get_by_role("row").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('[role=gridcell]')]"
        ".map(cell => cell.dataset.kind))"
    )
    return kinds


def test_a_room_is_painted_by_dragging_and_saved_as_text(page: Page, screen: Screen) -> None:
    use(page, "Premium")
    drag(page, place(page, "A2, standard"), place(page, "B3, standard"))
    expect(text_of(page)).to_have_value("A  SPPS\nB  SPPS\n\nC  PPWC\n")

    # A row without a seat becomes a cross aisle, and a cross aisle with a seat a row.
    use(page, "Nothing")
    drag(page, place(page, "B1, standard"), place(page, "B4, standard"))
    use(page, "Standard")
    place(page, "Cross aisle, column 2, nothing").last.click()
    expect(text_of(page)).to_have_value("A  SPPS\n\nB  .S\nC  PPWC\n")
    expect(page.get_by_role("status").filter(has_text="seats")).to_have_text("9 seats")

    use(page, "Undo", "Undo")
    expect(text_of(page)).to_have_value("A  SPPS\nB  SPPS\n\nC  PPWC\n")
    assert picture(page)[1] == ["standard", "premium", "premium", "standard"]
    use(page, "Save")
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    screen.refresh_from_db()
    assert parse_layout(screen.layout) == parse_layout("A SPPS\nB SPPS\n\nC PPWC")


def test_a_room_is_painted_with_nothing_but_keys(page: Page, screen: Screen) -> None:
    place(page, "A1, standard").focus()
    press(page, "ArrowRight", "Shift+ArrowDown", "p")
    expect(text_of(page)).to_have_value("A  SPSS\nB  SPSS\n\nC  PPWC\n")
    expect(place(page, "B2, premium")).to_be_focused()
    assert page.locator("[role=gridcell][tabindex='0']").count() == 1
    press(page, "End", "Space", "Home", "w", "ArrowRight", "c", "ArrowRight", ".")
    expect(text_of(page)).to_have_value("A  SPSS\nB  WC.P\n\nC  PPWC\n")
    press(page, "Control+z", "Control+z", "Control+y")
    expect(text_of(page)).to_have_value("A  SPSS\nB  WCSP\n\nC  PPWC\n")
    # A whole row, and a whole column.
    press(page, "Shift+Space", "s", "Control+Space", "Delete")
    expect(text_of(page)).to_have_value("A  SPS.\nB  SSS.\n\nC  PPW.\n")


def test_rows_and_columns_come_and_go_and_get_other_labels(page: Page, screen: Screen) -> None:
    place(page, "B1, standard").focus()
    use(page, "Add above", "Add left")
    expect(text_of(page)).to_have_value("A  SSSSS\nD  SSSSS\nB  SSSSS\n\nC  PPPWC\n")
    place(page, "A1, standard").focus()
    use(page, "Relabel from here", "Remove column")
    expect(text_of(page)).to_have_value("A  SSSS\nB  SSSS\nC  SSSS\n\nD  PPWC\n")
    place(page, "D3, wheelchair").focus()
    use(page, "Add below", "Add right", "Remove row")
    expect(text_of(page)).to_have_value("A  SSSSS\nB  SSSSS\nC  SSSSS\n\nE  PPWWC\n")
    label = page.get_by_role("textbox", name="Row")
    label.fill("B")
    label.press("Enter")
    expect(page.get_by_text("Row B is already on line 2.")).to_be_visible()
    label.fill("h")
    label.press("Enter")
    expect(text_of(page)).to_have_value("A  SSSSS\nB  SSSSS\nC  SSSSS\n\nH  PPWWC\n")


def test_while_the_text_has_a_flaw_the_picture_stays_and_says_so(
    page: Page, screen: Screen
) -> None:
    before = picture(page)
    stale = page.get_by_text("The preview shows the last valid layout.")
    expect(stale).to_be_hidden()
    text_of(page).fill(LAYOUT.replace("WC", "WX"))
    expect(stale).to_be_visible()
    flaw = page.get_by_role("button", name="Line 4, column 7: “X” is no place.")
    flaw.click()
    marked = text_of(page).evaluate(
        "area => area.value.slice(area.selectionStart, area.selectionEnd)"
    )
    assert marked == "X"

    use(page, "Premium")
    drag(page, place(page, "A1, standard"), place(page, "B4, standard"))
    place(page, "A1, standard").focus()
    press(page, "p")
    expect(text_of(page)).to_have_value(LAYOUT.replace("WC", "WX"))
    assert picture(page) == before

    text_of(page).fill(LAYOUT.replace("WC", "SSW"))
    expect(stale).to_be_hidden()
    expect(place(page, "C5, wheelchair")).to_be_visible()
    text_of(page).press("Control+z")
    text_of(page).press("Control+z")
    expect(text_of(page)).to_have_value(LAYOUT)
    assert picture(page) == before


# One for every flaw, and what is none though it looks like one.
TEXTS = [
    "A SS\n  B  PP  \n\n\n",
    "A\tSS",
    "A SS\n\t",
    "a SS",
    "ABC SS",
    "100 SS",
    "A",
    " A ...",
    "A S.X",
    "A SS SS",
    "A 🎬S",
    "A SS\nB SS\n  A S",
    "A " + "S" * (MAX_SEATS_PER_ROW + 1),
    "A S\n" + "\n" * (MAX_ROWS - 1) + "B S",
    "A S" + "\n" * (MAX_ROWS + 20),
    "7 S\nA X\nZZ S.\n99 \n",
]


def test_the_editor_finds_the_flaws_that_the_server_finds(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.add_script_tag(path=finders.find("back_office/layout_text.js"))
    found = page.evaluate(
        "([texts, limits]) => texts.map(text => {"
        "const { rows, flaws } = layoutText.read(text, limits);"
        "return flaws.length ? flaws.map(flaw => flaw.message)"
        " : rows.filter(row => row.label).map(row => [row.label, row.cells]); })",
        [TEXTS, {"rows": MAX_ROWS, "seats": MAX_SEATS_PER_ROW}],
    )
    assert found == [as_read(text) for text in TEXTS]


def as_read(text: str) -> list[str] | list[list[str]]:
    """Return what the server says of a text without places of nothing: its flaws, or its rows."""
    try:
        layout = parse_layout(text)
    except LayoutError as error:
        return [str(flaw) for flaw in error.flaws]
    return [[row.label, "".join(p.category[0].upper() for p in row.places)] for row in layout.rows]


def test_one_stroke_over_a_thousand_seats_changes_them_where_they_stand(
    page: Page, screen: Screen
) -> None:
    text_of(page).fill("".join(f"{row} {'S' * 40}\n" for row in range(1, 26)))
    first, last = place(page, "11, standard").first, place(page, "2540, standard")
    cell = first.element_handle()
    use(page, "Premium")
    drag(page, first, last)
    expect(text_of(page)).to_have_value("".join(f"{row} {'P' * 40}\n" for row in range(1, 26)))
    assert picture(page) == [["premium"] * 40] * 25
    assert cell is not None
    assert cell.evaluate("cell => cell.isConnected")  # drawn anew, a stroke would crawl


def states(show: Show) -> dict[str, str]:
    """Return the state of every seat that is not available, as the API tells it."""
    seats = APIClient().get(f"/api/shows/{show.pk}/seats").json()
    return {
        f"{seat['row']}{seat['number']}": seat["state"]
        for seat in seats
        if seat["state"] != "available"
    }


def test_a_dragged_rectangle_is_blocked_and_freed(page: Page, show: Show) -> None:
    selection = page.locator("#room-selection")
    drag(page, seat(page, "A2"), seat(page, "B4"))
    expect(selection).to_have_text("6 seats: A2, A3, A4, B2, B3, B4")
    drag(page, seat(page, "B4"), seat(page, "C3"))  # from a selected one: takes them out again
    expect(selection).to_have_text("4 seats: A2, A3, A4, B2")
    offered = page.locator("#room-reasons option").evaluate_all("all => all.map(o => o.value)")
    assert offered == ["Broken", "House seat", "Distancing"]
    page.fill("[name=reason]", "Distancing")
    use(page, "Block")
    expect(page.get_by_text("Blocked A2, A3, A4, B2: Distancing", exact=True)).to_be_visible()
    assert states(show) == dict.fromkeys(("A2", "A3", "A4", "B2"), "blocked")

    drag(page, seat(page, "A3"), seat(page, "B6"))
    use(page, "Unblock")
    expect(page.get_by_text("Freed A3")).to_be_visible()
    assert states(show) == dict.fromkeys(("A2", "B2"), "blocked")


def test_seats_are_selected_by_shift_and_every_other_one(page: Page, show: Show) -> None:
    selection = page.locator("#room-selection")
    seat(page, "A5").click()
    seat(page, "B2").click(modifiers=["Shift"])
    expect(selection).to_have_text("4 seats: A5, A6, B1, B2")
    use(page, "Clear")
    seat(page, "B2").focus()
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowLeft")
    expect(selection).to_have_text("4 seats: B2, B3, C2, C3")
    # From elsewhere an area of its own begins.
    press(page, "ArrowUp", "ArrowUp", "Space", "Shift+ArrowRight")
    expect(selection).to_have_text("6 seats: A3, A4, B2, B3, C2, C3")
    use(page, "Clear", "Every other seat")
    expect(selection).to_have_text("9 seats: A2, A4, A6, B1, B3, B5, C2, C4, C6")
