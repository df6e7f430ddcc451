"""Arranges seats in rows of cells for the template catalog/room.html."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from catalog.models import SeatCategory

GAP = SafeString('<i class="room-gap"></i>')


class Placed(Protocol):
    """A seat, or a place in a layout. Without `x` and `y` it is placed by row and number."""

    @property
    def row(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def x(self) -> int | None: ...
    @property
    def y(self) -> int | None: ...


P = TypeVar("P", bound=Placed)


@dataclass(frozen=True, slots=True)
class DrawnRow(Generic[P]):
    """One row, padded to the width of the room; None is a cell without a seat."""

    label: str
    cells: tuple[P | None, ...]
    after_aisle: bool  # the line before it is empty
    render: Callable[[Any], SafeString]

    @property
    def html(self) -> SafeString:
        """The HTML of the cells. A template would be slow for large rooms."""
        return format_html_join(
            "", "{}", ((GAP if place is None else self.render(place),) for place in self.cells)
        )


def static_seat(place: Any) -> SafeString:
    """Return the HTML of a seat that can't be selected."""
    return format_html(
        '<span class="seat {} {}" title="{}{}, {}"><b>{}</b></span>',
        place.category,
        getattr(place, "state_now", ""),
        place.row,
        place.number,
        SeatCategory(place.category).label,
        place.number,
    )


def draw(
    places: Iterable[P], render: Callable[[Any], SafeString] = static_seat
) -> list[DrawnRow[P]]:
    """Arrange the places of a room, front row first, all rows equally wide."""
    rows: dict[str, list[P]] = {}
    for place in places:
        rows.setdefault(place.row, []).append(place)
    ordered = sorted(rows.items(), key=lambda item: (_line(item[1][0]), len(item[0]), item[0]))
    lines = [_cells(members) for _, members in ordered]
    width = max(map(len, lines), default=0)
    drawn = []
    before = None
    for (label, members), cells in zip(ordered, lines, strict=True):
        line = members[0].y
        aisle = before is not None and line is not None and line > before + 1
        cells += [None] * (width - len(cells))
        drawn.append(DrawnRow(label, tuple(cells), aisle, render))
        before = line
    return drawn


def _line(place: Placed) -> int:
    return -1 if place.y is None else place.y


def _cell(place: Placed) -> int:
    return place.number - 1 if place.x is None else place.x


def _cells(members: list[P]) -> list[P | None]:
    """Return the cells of one row; places with the same `x` are put side by side."""
    cells: list[P | None] = []
    for place in sorted(members, key=lambda place: (_cell(place), place.number)):
        # Plain SQL can insert huge numbers, so limit the width of a gap.
        gap = min(_cell(place), 200) - len(cells)
        cells += [None] * gap
        cells.append(place)
    return cells
