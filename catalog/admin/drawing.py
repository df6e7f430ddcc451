"""A room as rows of cells, ready for the template catalog/room.html."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Placed(Protocol):
    """A seat, or the place of one in a layout. Without `x` and `y` it is placed by its name."""

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
    """One row from wall to wall; None is a cell without a seat."""

    label: str
    cells: tuple[P | None, ...]
    after_aisle: bool  # nothing stands on the line before it


def draw(places: Iterable[P]) -> list[DrawnRow[P]]:
    """Arrange the places of one room, front row first, every row equally wide."""
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
        drawn.append(DrawnRow(label, (*cells, *[None] * (width - len(cells))), aisle))
        before = line
    return drawn


def _line(place: Placed) -> int:
    return -1 if place.y is None else place.y


def _cell(place: Placed) -> int:
    return place.number - 1 if place.x is None else place.x


def _cells(members: list[P]) -> list[P | None]:
    """Lay one row out; places that claim the same cell stand side by side."""
    cells: list[P | None] = []
    for place in sorted(members, key=lambda place: (_cell(place), place.number)):
        # A number typed in plain SQL may be huge: the row must still be drawable.
        gap = min(_cell(place), 200) - len(cells)
        cells += [None] * gap
        cells.append(place)
    return cells
