"""Layouts as text."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from catalog.layouts import (
    CATEGORIES,
    LayoutError,
    LayoutProblem,
    Place,
    format_layout,
    parse_layout,
    rows_by_seats,
    validate_layout,
)
from demo.programme import LAYOUTS

labels = st.one_of(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=2),
    st.integers(min_value=1, max_value=99).map(str),
)
cells = st.text("SPWC.", min_size=1, max_size=100).filter(lambda text: text.strip("."))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Valid layouts with any indentation, trailing spaces, aisles and line endings."""
    names = draw(st.lists(labels, min_size=1, max_size=20, unique=True))
    blank = st.sampled_from(["", " ", "  "])
    lines = []
    for name in names:
        lines += [""] * draw(st.integers(0, 2))
        gap = draw(st.sampled_from([" ", "  ", "     "]))
        lines.append(draw(blank) + name + gap + draw(cells) + draw(blank))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n\n"]))


def problems_of(text: str) -> list[LayoutProblem]:
    with pytest.raises(LayoutError) as caught:
        parse_layout(text)
    return list(caught.value.problems)


@given(texts())
def test_writing_and_parsing_preserves_a_layout(text: str) -> None:
    layout = parse_layout(text)
    written = format_layout(layout)
    assert parse_layout(written) == layout
    assert format_layout(parse_layout(written)) == written


@given(texts())
def test_seats_are_numbered_from_the_left_at_their_cell_and_line(text: str) -> None:
    layout = parse_layout(text)
    lines = text.splitlines()
    assert layout.size == sum(len(row.places) for row in layout.rows)
    for row in layout.rows:
        typed = lines[row.y].split()[1]
        assert [place.number for place in row.places] == list(range(1, len(row.places) + 1))
        assert [place.x for place in row.places] == [
            x for x, cell in enumerate(typed) if cell != "."
        ]
        for place in row.places:
            assert (place.row, place.y) == (row.label, row.y)
            assert place.category == CATEGORIES[typed[place.x]]


@given(st.text(max_size=200))
def test_any_text_is_a_layout_or_has_errors_within_its_bounds(text: str) -> None:
    problems: tuple[LayoutProblem, ...] = ()
    seats = 0
    try:
        seats = parse_layout(text).size
    except LayoutError as error:
        problems = error.problems
    assert seats or problems
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= max(len(lines[problem.line - 1]), 1)


def test_a_cross_aisle_counts_as_a_line() -> None:
    layout = parse_layout("\nA  .S\n\nAA WC\n")
    assert list(layout.places) == [
        Place(row="A", number=1, x=1, y=1, category="standard"),
        Place(row="AA", number=1, x=0, y=3, category="wheelchair"),
        Place(row="AA", number=2, x=1, y=3, category="companion"),
    ]
    assert (layout.size, layout.width, layout.height) == (3, 2, 4)
    assert layout.categories == {"standard", "wheelchair", "companion"}
    assert format_layout(layout) == "\nA   .S\n\nAA  WC\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "about"),
    [
        ("", 1, 1, "no seat"),
        (" \n\n", 1, 1, "no seat"),
        ("A  SS\nSS..SS", 2, 1, "label"),
        ("A  SS\n   ..SS", 2, 4, "label"),
        ("abc SS", 1, 1, "label"),
        ("0 SS", 1, 1, "label"),
        ("100 SS", 1, 1, "label"),
        ("A  SS\n\nB  S.\n A  S", 4, 2, "already on line 1"),
        ("A  S.xS", 1, 6, "“x”"),
        ("A  SS SS", 1, 6, "“ ”"),
        ("A  SS\u00a0SS", 1, 6, "“\u00a0”"),
        ("A\tSS", 1, 2, "tab"),
        ("A  ....", 1, 1, "no seat"),
        ("A", 1, 1, "no seat"),
        ("A  " + "S" * 101, 1, 104, "at most 100"),
        ("A  S" + "\n" * 60 + "B  S", 61, 1, "at most 60"),
    ],
)
def test_an_error_has_its_line_and_column(text: str, line: int, column: int, about: str) -> None:
    (problem,) = problems_of(text)
    assert (problem.line, problem.column) == (line, column)
    assert about in problem.message


def test_every_line_reports_its_first_error() -> None:
    assert [
        (problem.line, problem.column) for problem in problems_of("A  SxSy\nB  SS\n?? SS\nB SS")
    ] == [
        (1, 5),
        (3, 1),
        (4, 1),
    ]


def test_the_largest_layout_is_valid() -> None:
    layout = rows_by_seats(rows=60, seats_per_row=100)
    assert layout.size == 6000
    assert parse_layout(format_layout(layout)) == layout


def test_rows_are_labelled_a_to_z_and_then_aa() -> None:
    layout = rows_by_seats(rows=28, seats_per_row=2)
    labels = [row.label for row in layout.rows]
    assert [labels[0], labels[25], labels[26], labels[27]] == ["A", "Z", "AA", "AB"]
    assert layout.categories == {"standard"}


@pytest.mark.parametrize(("rows", "seats"), [(0, 1), (61, 1), (1, 0), (1, 101)])
def test_a_layout_beyond_the_limits_is_refused(rows: int, seats: int) -> None:
    with pytest.raises(ValueError, match="has 1 to"):
        rows_by_seats(rows=rows, seats_per_row=seats)


def test_the_validator_reports_line_and_column_of_every_error() -> None:
    with pytest.raises(ValidationError) as caught:
        validate_layout("A  S?\n\nB  SS\nB  SS")
    assert [message.partition(":")[0] for message in caught.value.messages] == [
        "Line 1, column 5",
        "Line 4, column 1",
    ]
    validate_layout("A  S")


@pytest.mark.parametrize("room", LAYOUTS)
def test_the_demo_layouts_have_every_seat_category(room: str) -> None:
    assert parse_layout(room).categories == set(CATEGORIES.values())
