"""Seat layouts as text that staff can type: one line per row, front to back.

    A  ..SSSS..SSSS..

    B  SSSSSS..SSSSWC

A line is a label, spaces, then one cell per place: `S` standard, `P` premium,
`W` wheelchair, `C` companion, `.` empty. A label is one or two capital
letters, or a number up to 99. An empty line is a cross aisle: it counts as a
line and has no label. Every labelled row has at least one seat.

Seats are numbered from the left within their row, from 1. `x` counts cells
and `y` lines, both from 0; the lines and columns in errors count from 1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.core.exceptions import ValidationError

CATEGORIES = {"S": "standard", "P": "premium", "W": "wheelchair", "C": "companion"}
LETTERS = {category: letter for letter, category in CATEGORIES.items()}
EMPTY = "."
MAX_ROWS = 60
MAX_SEATS_PER_ROW = 100

_LABEL = re.compile(r"[A-Z]{1,2}|[1-9][0-9]?")


class LayoutProblem(NamedTuple):
    """Line and column count from 1."""

    message: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"Line {self.line}, column {self.column}: {self.message}"


class LayoutError(ValueError):
    """The text is not a valid layout. `problems` has at least one entry, from top to bottom."""

    def __init__(self, problems: list[LayoutProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Place:
    row: str
    number: int
    x: int
    y: int
    category: str

    def __str__(self) -> str:
        return f"{self.row}{self.number}"


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    y: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows of a screen from front to back. Rows missing in `y` are cross aisles."""

    rows: tuple[Row, ...]

    @property
    def places(self) -> Iterator[Place]:
        return (place for row in self.rows for place in row.places)

    @property
    def size(self) -> int:
        """Number of seats."""
        return sum(len(row.places) for row in self.rows)

    @property
    def width(self) -> int:
        """Number of cells from the left edge to the rightmost seat."""
        return max(row.places[-1].x for row in self.rows) + 1

    @property
    def height(self) -> int:
        """Number of lines from the screen to the last row."""
        return self.rows[-1].y + 1

    @property
    def categories(self) -> frozenset[str]:
        return frozenset(place.category for place in self.places)


def parse_layout(text: str) -> Layout:
    """Read a layout, or raise LayoutError with the first problem of every line."""
    lines = [line.rstrip(" ") for line in re.split(r"\r?\n", text)]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise LayoutError([LayoutProblem("This layout has no seats.", 1, 1)])
    rows: dict[str, Row] = {}
    problems: list[LayoutProblem] = []
    for y, line in enumerate(lines[:MAX_ROWS]):
        if not line:
            continue
        row = _parse_row(line, y)
        if isinstance(row, LayoutProblem):
            problems.append(row)
        elif (first := rows.setdefault(row.label, row)) is not row:
            message = f"Row {row.label} is already on line {first.y + 1}."
            problems.append(LayoutProblem(message, y + 1, line.index(row.label) + 1))
    if len(lines) > MAX_ROWS:
        problems.append(
            LayoutProblem(f"A layout can have at most {MAX_ROWS} rows.", MAX_ROWS + 1, 1)
        )
    if problems:
        raise LayoutError(problems)
    return Layout(tuple(rows.values()))


def _parse_row(line: str, y: int) -> Row | LayoutProblem:
    """Return the row, or its first problem."""

    def problem(message: str, at: int) -> LayoutProblem:
        return LayoutProblem(message, y + 1, at + 1)

    if "\t" in line:
        return problem("Use spaces instead of tabs.", line.index("\t"))
    trimmed = line.lstrip(" ")
    label, _, rest = trimmed.partition(" ")
    label_at = len(line) - len(trimmed)
    if not _LABEL.fullmatch(label):
        return problem(
            "Start the row with its label: one or two capital letters, or a number up to 99.",
            label_at,
        )
    cells = rest.lstrip(" ")
    start = len(line) - len(cells)
    for x, cell in enumerate(cells):
        if cell not in CATEGORIES and cell != EMPTY:
            message = f"“{cell}” is not a seat category. Use S, P, W, C or “.”."
            return problem(message, start + x)
    if len(cells) > MAX_SEATS_PER_ROW:
        message = f"A row can have at most {MAX_SEATS_PER_ROW} places."
        return problem(message, start + MAX_SEATS_PER_ROW)
    taken = [x for x, cell in enumerate(cells) if cell != EMPTY]
    if not taken:
        return problem(f"Row {label} has no seats. For an aisle, leave the line empty.", label_at)
    places = tuple(
        Place(row=label, number=number, x=x, y=y, category=CATEGORIES[cells[x]])
        for number, x in enumerate(taken, start=1)
    )
    return Row(label=label, y=y, places=places)


def format_layout(layout: Layout) -> str:
    """Return the layout as text with aligned columns. Parsing it returns the same layout."""
    margin = max(len(row.label) for row in layout.rows) + 2
    lines = [""] * layout.height
    for row in layout.rows:
        cells = [EMPTY] * layout.width
        for place in row.places:
            cells[place.x] = LETTERS[place.category]
        lines[row.y] = row.label.ljust(margin) + "".join(cells)
    return "\n".join(lines) + "\n"


def rows_by_seats(*, rows: int, seats_per_row: int, premium_rows: int = 0) -> Layout:
    """Return a layout of equal rows A, B, … Z, AA, …, for a show without a screen.

    Seats are standard, those of the last `premium_rows` premium. Raise
    ValueError outside 1 to MAX_ROWS rows or 1 to MAX_SEATS_PER_ROW seats, or
    with more premium rows than rows.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"A room has 1 to {MAX_ROWS} rows.")
    if not 1 <= seats_per_row <= MAX_SEATS_PER_ROW:
        raise ValueError(f"A row has 1 to {MAX_SEATS_PER_ROW} seats.")
    if not 0 <= premium_rows <= rows:
        raise ValueError(f"Of {rows} rows, 0 to {rows} can be premium.")
    cells = ["S"] * (rows - premium_rows) + ["P"] * premium_rows
    return parse_layout(
        "\n".join(f"{_row_label(index)} {cell * seats_per_row}" for index, cell in enumerate(cells))
    )


def _row_label(index: int) -> str:
    first, last = divmod(index, 26)
    return (chr(ord("A") + first - 1) if first else "") + chr(ord("A") + last)


def validate_layout(text: str) -> None:
    """Raise ValidationError, naming line and column, unless `text` is a layout."""
    try:
        parse_layout(text)
    except LayoutError as error:
        raise ValidationError(list(map(str, error.problems))) from error
