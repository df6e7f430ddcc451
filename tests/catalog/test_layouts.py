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
    row_order,
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


@st.composite
def texts_with_sections(draw: st.DrawFn) -> str:
    """Valid layouts with sections and seat numbers."""
    lines = draw(st.sampled_from([[], ["= Stalls"]]))
    for section in ("", "= Balcony", "  =Upper  circle"):
        lines += [section]
        for name in draw(st.lists(labels, min_size=1, max_size=5, unique=True)):
            row = draw(cells)
            size = len(row.replace(".", ""))
            listed = st.lists(st.integers(1, 9999), min_size=size, max_size=size, unique=True)
            numbering = draw(
                st.one_of(
                    st.from_regex(r"([<>]([1-9][0-9]{0,3})?([+][1-9][0-9]?)?)?", fullmatch=True),
                    listed.map(lambda numbers: f"[{','.join(map(str, numbers))}]"),
                )
            )
            lines.append(f"{name} {numbering} {row}")
    return "\n".join(lines)


@given(st.one_of(texts(), texts_with_sections()))
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


@pytest.mark.parametrize(
    ("numbering", "numbers"),
    [
        ("", [1, 2, 3, 4]),
        ("<", [4, 3, 2, 1]),
        ("<2+2", [8, 6, 4, 2]),
        (">", [1, 2, 3, 4]),
        (">5", [5, 6, 7, 8]),
        ("<+2", [7, 5, 3, 1]),
        ("[3,1,2,4]", [3, 1, 2, 4]),
        ("[1, 2, 14, 13]", [1, 2, 14, 13]),
    ],
)
def test_seats_have_the_numbers_that_the_row_states(numbering: str, numbers: list[int]) -> None:
    row = parse_layout(f"A {numbering} ..SS.SS").rows[0]
    assert [place.number for place in row.places] == numbers
    assert [place.x for place in row.places] == [2, 3, 5, 6]


def test_every_section_has_its_own_rows() -> None:
    layout = parse_layout("A S\n= Balcony\nA S\nB S\n= Upper  circle\nA S")
    assert [(str(p), p.row, p.section, p.y) for p in layout.places] == [
        ("A1", "A", "", 0),
        ("Balcony A1", "Balcony A", "Balcony", 2),
        ("Balcony B1", "Balcony B", "Balcony", 3),
        ("Upper circle A1", "Upper circle A", "Upper circle", 5),
    ]


def test_rows_of_a_named_first_section_have_short_names() -> None:
    layout = parse_layout("= Stalls\nA S\n= Balcony\nA S")
    assert [(p.row, p.section) for p in layout.places] == [
        ("A", "Stalls"),
        ("Balcony A", "Balcony"),
    ]


def test_seats_of_numbered_rows_have_distinct_names() -> None:
    names = list(map(str, parse_layout("1 SSSSSSSSSSS\n11 S\n= Balcony\n1 S\nA S").places))
    assert [name for name in names if name.endswith("1")] == [
        "1-1",
        "1-11",
        "11-1",
        "Balcony 1-1",
        "Balcony A1",
    ]


def test_rows_are_ordered_by_section_and_then_by_label() -> None:
    rows = ["Circle A", "B", "Balcony AA", "AA", "Balcony B", "Circle AA", "A"]
    assert sorted(rows, key=row_order) == [
        "A",
        "B",
        "AA",
        "Balcony B",
        "Balcony AA",
        "Circle A",
        "Circle AA",
    ]


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
        ("= Balcony", 1, 1, "no seat"),
        ("A S\n =", 2, 2, "name"),
        ("= A,b\nA S", 1, 4, "“,”"),
        ("= Gallery\u200bB\nA S", 1, 3, "U+200B"),
        ("= \u3164\nA S", 1, 3, "visible"),
        ("= " + "x" * 25 + "\nA S", 1, 3, "at most 24"),
        ("= Balcony\nA S\n = Balcony\nB S", 3, 2, "already on line 1"),
        ("A S\n= Balcony\nA S\nA S", 4, 1, "already on line 3"),
        ("A [1,2] S", 1, 3, "seats 1, numbers 2"),
        ("A [1,1] SS", 1, 3, "twice"),
        ("A [1,2 SS", 1, 3, "[1,2,4,5]"),
        ("A [0] S", 1, 3, "[1,2,4,5]"),
        ("A <0 S", 1, 3, "<2+2"),
        ("A <2+2SS", 1, 3, "<2+2"),
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
