"""A room as one buyer sees it: its places and runs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from operator import attrgetter

from catalog.layouts import row_order, seat_name

STANDARD, PREMIUM, WHEELCHAIR, COMPANION = "standard", "premium", "wheelchair", "companion"
ORDINARY = frozenset({STANDARD, PREMIUM})


@dataclass(frozen=True, slots=True)
class Place:
    """A seat as one buyer sees it.

    `x` and `y` are the cell and line of the layout; `y` grows from the screen to the back. `free`
    means that this buyer can have it: it is available, its hold has expired, or the hold is the
    buyer's own.
    """

    id: int
    row: str
    number: int
    x: int
    y: int
    category: str
    free: bool

    def __str__(self) -> str:
        return seat_name(self.row, self.number)


Run = list[Place]


def places_from(
    records: Iterable[tuple[int, str, int, int | None, int | None, str, bool]],
) -> list[Place]:
    """Return places for records of (id, row, number, x, y, category, free).

    Seats of the original system may lack `x` or `y`. If any seat does, all are placed by number and
    row (A first, B before AA), with an empty line between sections.
    """
    records = list(records)
    if all(x is not None and y is not None for _, _, _, x, y, _, _ in records):
        return [Place(*record) for record in records]  # type: ignore[arg-type]
    labels = sorted({record[1] for record in records}, key=row_order)
    sections = sorted({row_order(label)[0] for label in labels})
    lines = {label: y + sections.index(row_order(label)[0]) for y, label in enumerate(labels)}
    return [
        Place(seat_id, row, number, number, lines[row], category, free)
        for seat_id, row, number, _, _, category, free in records
    ]


def listed(places: list[Place]) -> str:
    return ", ".join(str(place) for place in places)


def tripled_focal_line(lines: Collection[int]) -> int:
    """Return three times the `y` of the focal line, two thirds of the way to the back."""
    return min(lines) + 2 * max(lines)


def runs_of(places: Iterable[Place]) -> list[Run]:
    """Return every run, front to back, each from the left."""
    runs: list[Run] = []
    for place in sorted(places, key=attrgetter("y", "x")):
        if runs and runs[-1][-1].y == place.y and runs[-1][-1].x + 1 == place.x:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs
