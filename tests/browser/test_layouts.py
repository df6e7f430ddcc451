"""The layout editor, and blocking seats on the seat map of a show."""

from collections.abc import Callable
from typing import Any

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
    """A page logged in to the back office."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = open_page(height=1200)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    page.context.add_cookies([cookie])  # type: ignore[list-item] # its keys are strings
    return page


@pytest.fixture
def screen(page: Page, live_server: LiveServer) -> Screen:
    """A screen whose form is open."""
    screen = ScreenFactory(layout=LAYOUT)
    page.goto(f"{live_server.url}/admin/catalog/screen/{screen.pk}/change/")
    return screen


@pytest.fixture
def show(page: Page, live_server: LiveServer) -> Show:
    """A show with three rows of six seats whose seat map is open."""
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
    """Drag from the middle of one element to the middle of another."""
    target = end.element_handle()
    assert target is not None
    start.hover()
    page.mouse.down()
    target.hover()  # by handle: the stroke may have changed its name
    page.mouse.up()


def picture(page: Page) -> list[list[str]]:
    """Return the kind of every cell, as drawn."""
    kinds: list[list[str]] = page.get_by_role("row").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('[role=gridcell]')]"
        ".map(cell => cell.dataset.kind))"
    )
    return kinds


def test_a_layout_is_painted_by_dragging_and_saved_as_text(page: Page, screen: Screen) -> None:
    use(page, "Premium")
    drag(page, place(page, "A2, standard"), place(page, "B3, standard"))
    expect(text_of(page)).to_have_value("A  SPPS\nB  SPPS\n\nC  PPWC\n")

    # A row without seats becomes a cross aisle; a cross aisle with a seat becomes a row.
    use(page, "Empty")
    drag(page, place(page, "B1, standard"), place(page, "B4, standard"))
    use(page, "Standard")
    place(page, "Cross aisle, column 2, empty").last.click()
    expect(text_of(page)).to_have_value("A  SPPS\n\nB  .S\nC  PPWC\n")
    expect(page.get_by_role("status").filter(has_text="seats")).to_have_text("9 seats")

    use(page, "Undo", "Undo")
    expect(text_of(page)).to_have_value("A  SPPS\nB  SPPS\n\nC  PPWC\n")
    assert picture(page)[1] == ["standard", "premium", "premium", "standard"]
    use(page, "Save")
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    screen.refresh_from_db()
    assert parse_layout(screen.layout) == parse_layout("A SPPS\nB SPPS\n\nC PPWC")


def test_a_layout_is_painted_by_keyboard_alone(page: Page, screen: Screen) -> None:
    place(page, "A1, standard").focus()
    press(page, "ArrowRight", "Shift+ArrowDown", "p")
    expect(text_of(page)).to_have_value("A  SPSS\nB  SPSS\n\nC  PPWC\n")
    expect(place(page, "B2, premium")).to_be_focused()
    assert page.locator("[role=gridcell][tabindex='0']").count() == 1
    press(page, "End", "Space", "Home", "w", "ArrowRight", "c", "ArrowRight", ".")
    expect(text_of(page)).to_have_value("A  SPSS\nB  WC.P\n\nC  PPWC\n")
    press(page, "Control+z", "Control+z", "Control+y")
    expect(text_of(page)).to_have_value("A  SPSS\nB  WCSP\n\nC  PPWC\n")
    # Select a whole row, then a whole column.
    press(page, "Shift+Space", "s", "Control+Space", "Delete")
    expect(text_of(page)).to_have_value("A  SPS.\nB  SSS.\n\nC  PPW.\n")


def test_rows_and_columns_are_added_removed_and_relabelled(page: Page, screen: Screen) -> None:
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


def test_sections_and_seat_numbers_are_drawn_and_written(page: Page, screen: Screen) -> None:
    place(page, "C3, wheelchair").focus()
    use(page, "Start section")
    name = page.get_by_role("textbox", name="Section")
    expect(name).to_be_focused()
    name.fill("Balcony")
    name.press("Enter")
    place(page, "Balcony C1, premium").focus()
    label = page.get_by_role("textbox", name="Row")
    label.fill("A")
    label.press("Enter")
    numbers = page.get_by_role("textbox", name="Seat numbers")
    numbers.fill("<2+2")
    numbers.press("Enter")
    expect(text_of(page)).to_have_value(
        "A        SSSS\nB        SSSS\n\n= Balcony\nA  <2+2  PPWC\n"
    )
    expect(place(page, "Balcony A8, premium")).to_be_visible()
    label.fill("7")
    label.press("Enter")
    expect(place(page, "Balcony 7-8, premium")).to_be_visible()
    label.fill("A")
    label.press("Enter")

    numbers.fill("[1,2]")
    numbers.press("Enter")
    expect(page.get_by_text("List one number for each seat: seats 4, numbers 2.")).to_be_visible()
    numbers.fill("[1,2,4,5]")
    numbers.press("Enter")
    use(page, "Empty")
    place(page, "Balcony A2, premium").click()  # leaves its number out
    use(page, "Standard")
    place(page, "Section Balcony, column 1, empty").click(force=True)  # not a place for seats
    expect(text_of(page)).to_have_value(
        "A             SSSS\nB             SSSS\n\n= Balcony\nA  [1,4,5]    P.WC\n"
    )
    use(page, "Save")
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    screen.refresh_from_db()
    layout = parse_layout(screen.layout)
    assert [str(place) for place in layout.rows[2].places] == [
        "Balcony A1",
        "Balcony A4",
        "Balcony A5",
    ]


def test_while_the_text_has_errors_the_preview_is_stale_and_says_so(
    page: Page, screen: Screen
) -> None:
    before = picture(page)
    stale = page.get_by_text("The preview shows the last valid layout.")
    expect(stale).to_be_hidden()
    text_of(page).fill(LAYOUT.replace("WC", "WX"))
    expect(stale).to_be_visible()
    page.get_by_role("button", name="Line 4, column 7").click()
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


# One text per kind of error, and valid texts that look like errors.
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
    "A SS\n= Balcony\nA <2+2 ..SSSS\nB [7,5,3,1,2,4] SSS.SSS\n C >3+2 SS\n\nD [5]S",
    " =  Upper  circle \nA < S\n= किताब\nA > S\n= 2F\nA <+2 SS",
    "=\nA S",
    "= A,b\nA S",
    "  = =x\nA S\n= B🎬\nA S",
    "= Balcony\nA S\n= Balcony\nB S\nB S",
    "= Balcony",
    f"= {'x' * 25}\nA S",
    "A [1,1] SS\nB [1] SS\nC [1 SS\nD <0 SS\nE <2+2SS\nF <\nG []\nH [3] X",
]


def test_the_editor_reports_the_same_errors_as_the_server(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.add_script_tag(path=finders.find("back_office/layout_text.js"))
    found = page.evaluate(
        "([texts, limits]) => texts.map(text => {"
        "const { rows, errors } = layoutText.read(text, limits);"
        "return errors.length ? errors.map(error => error.message)"
        " : rows.filter(row => row.label).map(row =>"
        " [row.name, row.cells.replaceAll('.', ''), row.numbers]); })",
        [TEXTS, {"rows": MAX_ROWS, "seats": MAX_SEATS_PER_ROW}],
    )
    assert found == [read_by_server(text) for text in TEXTS]


def read_by_server(text: str) -> list[str] | list[list[Any]]:
    """Return the server's errors for a text, or its rows with their seats and numbers."""
    try:
        layout = parse_layout(text)
    except LayoutError as error:
        return [str(problem) for problem in error.problems]
    return [
        [
            row.label,
            "".join(place.category[0].upper() for place in row.places),
            [place.number for place in row.places],
        ]
        for row in layout.rows
    ]


def test_a_stroke_over_a_thousand_seats_updates_their_elements_in_place(
    page: Page, screen: Screen
) -> None:
    text_of(page).fill("".join(f"{row} {'S' * 40}\n" for row in range(1, 26)))
    first, last = place(page, "1-1, standard"), place(page, "25-40, standard")
    cell = first.element_handle()
    use(page, "Premium")
    drag(page, first, last)
    expect(text_of(page)).to_have_value("".join(f"{row} {'P' * 40}\n" for row in range(1, 26)))
    assert picture(page) == [["premium"] * 40] * 25
    assert cell is not None
    # Replacing the elements would make strokes slow.
    assert cell.evaluate("cell => cell.isConnected")


def states(show: Show) -> dict[str, str]:
    """Return the state of every seat that the API does not list as available."""
    seats = APIClient().get(f"/api/shows/{show.pk}/seats").json()
    return {
        f"{seat['row']}{seat['number']}": seat["state"]
        for seat in seats
        if seat["state"] != "available"
    }


def test_a_dragged_rectangle_is_blocked_and_unblocked(page: Page, show: Show) -> None:
    selection = page.locator("#room-selection")
    drag(page, seat(page, "A2"), seat(page, "B4"))
    expect(selection).to_have_text("6 seats: A2, A3, A4, B2, B3, B4")
    drag(page, seat(page, "B4"), seat(page, "C3"))  # starting on a selected seat deselects
    expect(selection).to_have_text("4 seats: A2, A3, A4, B2")
    offered = page.locator("#room-reasons option").evaluate_all("all => all.map(o => o.value)")
    assert offered == ["Broken", "House seat", "Distancing"]
    page.fill("[name=reason]", "Distancing")
    use(page, "Block")
    expect(page.get_by_text("Blocked A2, A3, A4, B2: Distancing", exact=True)).to_be_visible()
    assert states(show) == dict.fromkeys(("A2", "A3", "A4", "B2"), "blocked")

    drag(page, seat(page, "A3"), seat(page, "B6"))
    use(page, "Unblock")
    expect(page.get_by_text("Unblocked A3")).to_be_visible()
    assert states(show) == dict.fromkeys(("A2", "B2"), "blocked")


def test_shift_selects_ranges_and_a_button_every_other_seat(page: Page, show: Show) -> None:
    selection = page.locator("#room-selection")
    seat(page, "A5").click()
    seat(page, "B2").click(modifiers=["Shift"])
    expect(selection).to_have_text("4 seats: A5, A6, B1, B2")
    use(page, "Clear")
    seat(page, "B2").focus()
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowLeft")
    expect(selection).to_have_text("4 seats: B2, B3, C2, C3")
    # After moving elsewhere, a new area starts.
    press(page, "ArrowUp", "ArrowUp", "Space", "Shift+ArrowRight")
    expect(selection).to_have_text("6 seats: A3, A4, B2, B3, C2, C3")
    use(page, "Clear", "Every other seat")
    expect(selection).to_have_text("9 seats: A2, A4, A6, B1, B3, B5, C2, C4, C6")
