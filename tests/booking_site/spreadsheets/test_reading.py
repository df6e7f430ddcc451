"""Files as spreadsheet programs of different countries write them, and what is refused."""

import io
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from openpyxl import Workbook

from booking_site.spreadsheets.cells import MAX_ROWS, Invalid, Unreadable, value_of_text
from booking_site.spreadsheets.files import ExportFormat, as_file, read_table

TABLE = [["name", "price"], ["Café", "12,50"]]


def workbook(*rows: Sequence[Any], edit: Callable[[Workbook], None] | None = None) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    if edit:
        edit(book)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def with_xml(content: bytes, before: str, after: str) -> bytes:
    """Replace the part of the first sheet that matches, for what openpyxl does not write."""
    result = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as book, ZipFile(result, "w") as other:
        for name in book.namelist():
            text = book.read(name)
            if name == "xl/worksheets/sheet1.xml":
                text, number = re.subn(before.encode(), after.encode(), text)
                assert number == 1
            other.writestr(name, text)
    return result.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("first_line", ["", "sep={}\r\n", '"SEP={}"\n'])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_csv_files_of_european_spreadsheets(encoding: str, first_line: str, delimiter: str) -> None:
    text = first_line.format(delimiter) + "\r\n".join(delimiter.join(row) for row in TABLE)
    found = read_table(text.encode(encoding), kind="csv")
    assert found.rows == TABLE
    assert bool(found.note) == (encoding == "cp1252")


def test_the_first_line_of_a_file_names_any_delimiter() -> None:
    assert read_table(b"sep=|\na|b,c;d\n", kind="csv").rows == [["a", "b,c;d"]]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("Café".encode() + b"\xe9", id="UTF-8 with one byte of another encoding"),
        pytest.param("Café".encode("utf-8-sig")[:-1], id="UTF-8 cut in the middle of a letter"),
        pytest.param("Café".encode("utf-16")[:-1], id="UTF-16 cut in the middle of a letter"),
        pytest.param("Café".encode("utf-16-le"), id="UTF-16 without its mark"),
        pytest.param(b"Caf\x81", id="no byte of Windows-1252"),
    ],
)
def test_a_damaged_text_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable):
        read_table(content, kind="csv")


@pytest.mark.parametrize(
    "text", ["#N/A", "#NV", "#REF!", "#BEZUG!", "#DIV/0!", "#¿NOMBRE?", "#ИМЯ?", "####", "Err:502"]
)
def test_the_error_of_a_formula_is_not_read_as_text(text: str) -> None:
    [[csv_cell]] = read_table(text.encode(), kind="csv").rows
    [[xlsx_cell]] = read_table(workbook([text]), kind="xlsx").rows
    assert isinstance(csv_cell, Invalid)
    assert isinstance(xlsx_cell, Invalid)


@pytest.mark.parametrize("text", ["#Alive", "#ALIVE", "#1", "# N/A", "#alive!", "Err: 502", "#"])
def test_a_title_that_resembles_an_error_is_a_text(text: str) -> None:
    assert read_table(text.encode(), kind="csv").rows == [[text]]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (7 * 1.1, "7.7"),
        (12.0, "12"),
        (1917, "1917"),
        (True, "TRUE"),
        ("Two_x000D_\nlines", "Two\r\nlines"),
        (date(2026, 11, 20), date(2026, 11, 20)),
        (datetime(2026, 11, 20), date(2026, 11, 20)),  # noqa: DTZ001 - as in a file
    ],
)
def test_a_cell_is_read_as_a_spreadsheet_shows_it(cell: Any, expected: object) -> None:
    assert read_table(workbook([cell]), kind="xlsx").rows == [[expected]]


@pytest.mark.parametrize(
    "cell",
    [
        "=7*1.1",  # openpyxl writes no result
        time(11, 14),
        timedelta(hours=24, minutes=30),
        datetime(2026, 11, 20, 0, 30),  # noqa: DTZ001 - as in a file
    ],
)
def test_a_cell_that_is_not_what_it_shows_is_invalid(cell: Any) -> None:
    [[found]] = read_table(workbook([cell]), kind="xlsx").rows
    assert isinstance(found, Invalid)


def test_a_percentage_is_invalid() -> None:
    def percent(book: Workbook) -> None:
        book.worksheets[0]["A1"].number_format = "0%"

    [[found]] = read_table(workbook([0.5], edit=percent), kind="xlsx").rows
    assert isinstance(found, Invalid)


def test_results_of_formulas_are_read() -> None:
    content = workbook(["=1+1", '=""', "end"])
    empty = "(<v ?/>|<v></v>)"
    content = with_xml(content, rf"<f>1\+1</f>{empty}", "<f>1+1</f><v>2</v>")
    content = with_xml(content, f'r="B1"><f>""</f>{empty}', 'r="B1" t="str"><f>""</f><v></v>')
    assert read_table(content, kind="xlsx").rows == [["2", "", "end"]]


def test_blank_formatted_cells_are_left_out() -> None:
    def format_cells(book: Workbook) -> None:
        for row in (1, 2, MAX_ROWS + 9):
            book.worksheets[0].cell(row, 60).number_format = "0.00"

    assert read_table(workbook(["a"], edit=format_cells), kind="xlsx").rows == [["a"]]
    assert read_table(b"a\n" + b" ,\n" * MAX_ROWS, kind="csv").rows == [["a"]]


def test_a_cell_far_to_the_right_is_read() -> None:
    [row] = read_table(workbook([""] * 99 + ["far"]), kind="xlsx").rows
    assert (row[-1], len(row)) == ("far", 100)


def test_cells_outside_the_declared_range_of_a_sheet_are_read() -> None:
    content = with_xml(
        workbook(["a", "b"], ["c", "d"]), '<dimension ref="A1:B2"', '<dimension ref="A1"'
    )
    assert read_table(content, kind="xlsx").rows == [["a", "b"], ["c", "d"]]


def test_a_file_with_two_sheets_is_refused_and_blank_or_hidden_ones_are_left_out() -> None:
    def add_sheets(book: Workbook) -> None:
        book.create_sheet("Blank", 0)
        book.create_sheet("Lists", 1).append(["x"])
        book["Lists"].sheet_state = "hidden"

    def add_another(book: Workbook) -> None:
        book.create_sheet("Notes").append(["x"])

    assert read_table(workbook(["a"], edit=add_sheets), kind="xlsx").rows == [["a"]]
    with pytest.raises(Unreadable, match="Notes"):
        read_table(workbook(["a"], edit=add_another), kind="xlsx")
    assert read_table(workbook(), kind="xlsx").rows == []


def test_merged_cells_are_refused() -> None:
    def merge(book: Workbook) -> None:
        book.worksheets[0].merge_cells("A2:A3")

    with pytest.raises(Unreadable, match="A2:A3"):
        read_table(workbook(["a"], ["b"], ["c"], edit=merge), kind="xlsx")


def test_a_row_beyond_the_last_possible_one_is_refused() -> None:
    content = with_xml(workbook(["a"]), '<row r="1"', '<row r="999999999"')
    with pytest.raises(Unreadable):
        read_table(content, kind="xlsx")


# XML and CSV have no NUL, XML makes line feeds of carriage returns and has no U+FFFE and U+FFFF.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufffe\uffff")


@given(text=st.text(LETTERS))
@pytest.mark.parametrize("export_format", ExportFormat)
@example(text="=1+1")
@example(text="_x000D_")
@example(text="\x01")
def test_exported_text_reads_back_unchanged(export_format: ExportFormat, text: str) -> None:
    assume(not isinstance(value_of_text(text), Invalid))
    file = as_file([["a", "b"], [text, "end"]], name="t", export_format=export_format)
    kind = "xlsx" if export_format == ExportFormat.XLSX else "csv"
    assert read_table(file.content, kind=kind).rows == [["a", "b"], [text, "end"]]


@pytest.mark.parametrize(
    ("export_format", "line"),
    [
        (ExportFormat.CSV, "12.50,7,a;b"),
        (ExportFormat.CSV_SEMICOLON, '12.50;7;"a;b"'),
        (ExportFormat.CSV_DECIMAL_COMMA, '12,50;7;"a;b"'),
    ],
)
def test_an_export_has_the_chosen_separators(export_format: ExportFormat, line: str) -> None:
    file = as_file([[Decimal("12.50"), 7, "a;b"]], name="t", export_format=export_format)
    assert file.content.decode("utf-8-sig") == f"{line}\r\n"
    assert file["Content-Disposition"] == 'attachment; filename="t.csv"'
