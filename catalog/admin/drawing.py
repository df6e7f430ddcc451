"""Arranges seats in rows of cells for the template catalog/room.html."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from catalog.layouts import Place, row_order
from catalog.models import Seat, SeatCategory

GAP = SafeString('<i class="room-gap"></i>')
Placed = Seat | Place  # a seat without `x` and `y` is placed by row and number


class DrawnRow(NamedTuple):
    """One row, padded to the width of the room; None is a cell without a seat.

    `name` is `Balcony A` where the label is `A`. `heading` is the section that starts with this
    row, or "".
    """

    name: str
    label: str
    heading: str
    cells: Sequence[Placed | None]
    after_aisle: bool  # the line before it is empty
    html: SafeString  # of the cells; a template would be slow for large rooms


def static_seat(place: Any) -> SafeString:
    """Return the HTML of a seat that can't be selected."""
    return format_html(
        '<span class="seat {} {}" title="{}, {}"><b>{}</b></span>',
        place.category,
        getattr(place, "state_now", ""),
        place,
        SeatCategory(place.category).label,
        place.number,
    )


def draw(
    places: Iterable[Placed], render: Callable[[Any], SafeString] = static_seat
) -> list[DrawnRow]:
    """Arrange the places of a room, front row first, all rows equally wide."""
    rows: dict[str, list[Placed]] = {}
    for place in places:
        rows.setdefault(place.row, []).append(place)
    ordered = sorted(rows.items(), key=lambda item: (_line(item[1][0]), row_order(item[0])))
    lines = [_cells(members) for _, members in ordered]
    width = max(map(len, lines), default=0)
    drawn = []
    before = None
    section = ""
    for (name, members), cells in zip(ordered, lines, strict=True):
        line = members[0].y
        heading = members[0].section if members[0].section != section else ""
        section = members[0].section
        label = name.removeprefix(f"{section} ")
        aisle = before is not None and line is not None and line > before + 1
        cells += [None] * (width - len(cells))
        drawings = ((GAP if place is None else render(place),) for place in cells)
        html = format_html_join("", "{}", drawings)
        drawn.append(DrawnRow(name, label, heading, cells, aisle, html))
        before = line
    return drawn


def _line(place: Placed) -> int:
    return -1 if place.y is None else place.y


def _cell(place: Placed) -> int:
    return place.number - 1 if place.x is None else place.x


def _cells(members: list[Placed]) -> list[Placed | None]:
    """Return the cells of one row; places with the same `x` are put side by side."""
    cells: list[Placed | None] = []
    for place in sorted(members, key=lambda place: (_cell(place), place.number)):
        # Plain SQL can insert huge numbers, so limit the width of a gap.
        gap = min(_cell(place), 200) - len(cells)
        cells += [None] * gap
        cells.append(place)
    return cells
