"""Seat layouts as text that staff can type: one line per row, front to back.

    A        ..SSSS..SSSS..

    B        SSSSSS..SSSSWC
    = Balcony
    A  <2+2  SSSS......SSSS

A line is a label, spaces, then one cell per place: `S` standard, `P` premium,
`W` wheelchair, `C` companion, `.` empty. A label is one or two capital
letters, or a number up to 99. An empty line is a cross aisle: it counts as a
line and has no label. Every labelled row has at least one seat.

Seats are numbered 1, 2, 3 and so on from the left, unless a numbering follows
the label (`catalog.seat_numbers`).

`= Balcony` starts a section and counts as a line. Each section can have a row
A, whose name is `A` in the first section, with or without a heading, and
`Balcony A` in later ones.

`x` counts cells and `y` lines, both from 0; the lines and columns in errors
count from 1.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.exceptions import ValidationError

from booking_site.typed_text import JOINERS, clean_text
from catalog.seat_numbers import check_numbering, read_numbers, write_numbers

CATEGORIES = {"S": "standard", "P": "premium", "W": "wheelchair", "C": "companion"}
LETTERS = {category: letter for letter, category in CATEGORIES.items()}
EMPTY = "."
MAX_ROWS = 60
MAX_SEATS_PER_ROW = 100
MAX_SECTION_NAME = 24

_LABEL = re.compile(r"[A-Z]{1,2}|[1-9][0-9]?")
# No comma, because the audit trail separates the names of seats by commas.
_PUNCTUATION = " .'\u2019&/-" + JOINERS


def row_order(row: str) -> tuple[str, int, str]:
    """Return the sort key of a row: first section first, then A first and B before AA."""
    section, _, label = row.rpartition(" ")
    return section, len(label), label


def seat_name(row: str, number: int) -> str:
    """Return `A1` or `Balcony A1`, and `1-12` in rows that are numbered themselves."""
    return f"{row}-{number}" if row[-1:].isdigit() else f"{row}{number}"


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
    section: str = ""

    def __str__(self) -> str:
        return seat_name(self.row, self.number)


@dataclass(frozen=True, slots=True)
class Row:
    """`label` is the name of the row, such as `Balcony A`."""

    label: str
    y: int
    places: tuple[Place, ...]
    section: str = ""


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
    reading = _Reading()
    for y, line in enumerate(lines[:MAX_ROWS]):
        if line:
            reading.add(line, y)
    problems = reading.problems
    if len(lines) > MAX_ROWS:
        problems.append(
            LayoutProblem(f"A layout can have at most {MAX_ROWS} rows.", MAX_ROWS + 1, 1)
        )
    if not reading.rows and not problems:
        problems.append(LayoutProblem("This layout has no seats.", 1, 1))
    if problems:
        raise LayoutError(problems)
    return Layout(tuple(reading.rows.values()))


class _LineError(Exception):
    """A problem with a line; `at` is the index of the character."""

    def __init__(self, message: str, at: int) -> None:
        self.message = message
        self.at = at


@dataclass(slots=True)
class _Reading:
    """What the lines read so far contain. `headings` maps each section to its line (`y`)."""

    rows: dict[str, Row] = field(default_factory=dict)
    headings: dict[str, int] = field(default_factory=dict)
    problems: list[LayoutProblem] = field(default_factory=list)
    section: str = ""
    prefix: str = ""  # before the labels in this section

    def add(self, line: str, y: int) -> None:
        indent = len(line) - len(line.lstrip(" "))
        try:
            if "\t" in line:
                raise _LineError("Use spaces instead of tabs.", line.index("\t"))
            if line[indent] == "=":
                self._add_heading(line, indent, y)
            else:
                self._add_row(line, indent, y)
        except _LineError as error:
            self.problems.append(LayoutProblem(error.message, y + 1, error.at + 1))

    def _add_heading(self, line: str, indent: int, y: int) -> None:
        name = _parse_heading(line, indent)
        if name in self.headings:
            raise _LineError(
                f"Section {name} is already on line {self.headings[name] + 1}.", indent
            )
        self.headings[name] = y
        self.section, self.prefix = name, f"{name} " if self.rows else ""

    def _add_row(self, line: str, indent: int, y: int) -> None:
        label, cells, numbers = _parse_row(line, indent)
        name = self.prefix + label
        if name in self.rows:
            raise _LineError(f"Row {name} is already on line {self.rows[name].y + 1}.", indent)
        places = tuple(
            Place(name, number, x, y, CATEGORIES[cells[x]], self.section)
            for number, x in zip(numbers, _seat_positions(cells), strict=True)
        )
        self.rows[name] = Row(name, y, places, self.section)


def _parse_heading(line: str, indent: int) -> str:
    """Return the name of the section that the line starts."""
    typed = line[indent + 1 :].lstrip(" ")
    start = len(line) - len(typed)
    if not typed:
        raise _LineError("Enter the section's name after the equals sign.", indent)
    try:
        name = clean_text(re.sub(" +", " ", typed))
    except ValidationError as error:
        raise _LineError(error.messages[0], start) from error
    for index, character in enumerate(typed):
        allowed = "LMN" if index else "LN"
        if unicodedata.category(character)[0] in allowed or (index and character in _PUNCTUATION):
            continue
        raise _LineError(f"Remove “{character}” from the name of the section.", start + index)
    if len(name) > MAX_SECTION_NAME:
        message = f"The name of a section can have at most {MAX_SECTION_NAME} characters."
        raise _LineError(message, start)
    return name


def _parse_row(line: str, indent: int) -> tuple[str, str, list[int]]:
    """Return the row's label, its cells and the numbers of its seats."""
    label, _, rest = line[indent:].partition(" ")
    if not _LABEL.fullmatch(label):
        raise _LineError(
            "Start the row with its label: one or two capital letters, or a number up to 99.",
            indent,
        )
    rest = rest.lstrip(" ")
    numbering, cells = _split_numbering(rest)
    numbering_at, start = len(line) - len(rest), len(line) - len(cells)
    try:
        check_numbering(numbering)
    except ValueError as error:
        raise _LineError(str(error), numbering_at) from error
    for x, cell in enumerate(cells):
        if cell not in CATEGORIES and cell != EMPTY:
            message = f"“{cell}” is not a seat category. Use S, P, W, C or “.”."
            raise _LineError(message, start + x)
    if len(cells) > MAX_SEATS_PER_ROW:
        message = f"A row can have at most {MAX_SEATS_PER_ROW} places."
        raise _LineError(message, start + MAX_SEATS_PER_ROW)
    positions = _seat_positions(cells)
    if not positions:
        raise _LineError(f"Row {label} has no seats. For an aisle, leave the line empty.", indent)
    try:
        return label, cells, read_numbers(numbering, len(positions))
    except ValueError as error:
        raise _LineError(str(error), numbering_at) from error


def _split_numbering(rest: str) -> tuple[str, str]:
    """Split what follows the label into the numbering, which can be empty, and the cells."""
    if not rest.startswith(("<", ">", "[")):
        return "", rest
    end = "]" if rest[0] == "[" else " "
    numbering, found, cells = rest.partition(end)
    return (numbering + found).rstrip(" "), cells.lstrip(" ")


def _seat_positions(cells: str) -> list[int]:
    return [x for x, cell in enumerate(cells) if cell != EMPTY]


def format_layout(layout: Layout) -> str:
    """Return the layout as text with aligned columns. Parsing it returns the same layout."""
    labels = [row.label.rpartition(" ")[2] for row in layout.rows]
    numberings = [write_numbers([place.number for place in row.places]) for row in layout.rows]
    margin = max(map(len, labels)) + 2
    second_margin = max(map(len, numberings)) + 2 if any(numberings) else 0
    lines = [""] * layout.height
    section = ""
    for row, label, numbering in zip(layout.rows, labels, numberings, strict=True):
        if row.section != section:
            lines[row.y - 1] = f"= {row.section}"
            section = row.section
        cells = [EMPTY] * layout.width
        for place in row.places:
            cells[place.x] = LETTERS[place.category]
        lines[row.y] = label.ljust(margin) + numbering.ljust(second_margin) + "".join(cells)
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
