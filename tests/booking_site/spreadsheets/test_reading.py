"""Files as spreadsheet programs of different countries write them, and what is refused."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.utils.datetime import MAC_EPOCH
from openpyxl.xml.constants import SHEET_MAIN_NS

from booking_site.spreadsheets import files, packages, sheets
from booking_site.spreadsheets.cells import (
    MAX_COLUMNS,
    MAX_ROWS,
    Invalid,
    Unreadable,
    value_of_text,
)
from booking_site.spreadsheets.files import MAX_BYTES, ExportFormat, as_file, read_table

SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
STYLES = "xl/styles.xml"
REFERENCES = "xl/_rels/workbook.xml.rels"
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


def packed(parts: Mapping[str, bytes], method: int = ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w", method) as book:
        for name, part in parts.items():
            book.writestr(name, part)
    return content.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(content)) as book:
        return {name: book.read(name) for name in book.namelist()}


def with_xml(content: bytes, before: str, after: str, *, part: str = SHEET) -> bytes:
    """Replace the text of a part that matches, for what openpyxl does not write."""
    parts = unpacked(content)
    text, number = re.subn(before.encode(), after.encode(), parts[part])
    assert number == 1
    return packed(parts | {part: text})


def with_shared_text(runs: str) -> bytes:
    """Return a workbook with two cells, of which Excel would store the first like this."""
    content = with_xml(workbook(["a", "end"]), 't="inlineStr"><is><t>a</t></is>', 't="s"><v>0</v>')
    reference = f'<Relationship Id="texts" Type="/sharedStrings" Target="/{STRINGS}" />'
    content = with_xml(content, "</Relationships>", f"{reference}</Relationships>", part=REFERENCES)
    texts = f'<sst xmlns="{SHEET_MAIN_NS}"><si>{runs}</si></sst>'
    return packed(unpacked(content) | {STRINGS: texts.encode()})


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


def test_a_cell_beyond_the_last_column_is_refused_and_a_blank_one_is_left_out() -> None:
    def fill(book: Workbook) -> None:
        book.worksheets[0].cell(1, MAX_COLUMNS + 1).value = "far"

    def format_cell(book: Workbook) -> None:
        book.worksheets[0].cell(1, MAX_COLUMNS + 1).number_format = "0.00"

    assert read_table(workbook(["a"], edit=format_cell), kind="xlsx").rows == [["a"]]
    with pytest.raises(Unreadable):
        read_table(workbook(["a"], edit=fill), kind="xlsx")
    with pytest.raises(Unreadable):
        read_table(b"," * MAX_COLUMNS + b"far", kind="csv")


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ("<r><t>Ca</t></r><r><rPr><b/></rPr><t>fé</t></r>", "Café"),
        ("<t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh>", "東京"),
        ("<t>_x005F_x000D_</t>", "_x000D_"),
        ("<t>box005F_1</t>", "box005F_1"),
        ("", ""),
    ],
)
def test_texts_are_read_as_a_spreadsheet_shows_them(runs: str, text: str) -> None:
    assert read_table(with_shared_text(runs), kind="xlsx").rows == [[text, "end"]]


@pytest.mark.parametrize("escaped", ["_x0000_", "_xD800_"])
def test_a_text_that_cannot_be_stored_is_invalid(escaped: str) -> None:
    [[found, _]] = read_table(with_shared_text(f"<t>{escaped}</t>"), kind="xlsx").rows
    assert isinstance(found, Invalid)


def test_dates_are_read_in_the_calendar_of_the_workbook() -> None:
    day = date(2026, 11, 20)
    assert read_table(workbook([day], edit=of_a_mac), kind="xlsx").rows == [[day]]


def of_a_mac(book: Workbook) -> None:
    book.epoch = MAC_EPOCH


def test_rows_and_cells_may_lack_their_reference() -> None:
    content = with_xml(workbook(["a", "b"]), '<row r="1"[^>]*>', "<row>")
    content = with_xml(content, 'r="A1"', "")
    assert read_table(with_xml(content, 'r="B1"', ""), kind="xlsx").rows == [["a", "b"]]


# References are read once for each kind of part.
PARTS_READ = [
    "_rels/.rels",
    "xl/workbook.xml",
    *[REFERENCES] * 3,
    STRINGS,
    STYLES,
    SHEET,
]
PARTS = unpacked(with_shared_text("<t>a</t>"))


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [
        ("MAX_PART", max(len(PARTS[name]) for name in PARTS_READ)),
        ("MAX_UNPACKED", sum(len(PARTS[name]) for name in PARTS_READ)),
        ("MAX_TAGS", sum(PARTS[name].count(b"<") for name in PARTS_READ)),
    ],
)
def test_a_workbook_above_a_limit_is_refused(
    limit: str, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, limit, allowed)
    assert read_table(packed(PARTS), kind="xlsx").rows == [["a", "end"]]
    monkeypatch.setattr(packages, limit, allowed - 1)
    with pytest.raises(Unreadable, match="CSV"):
        read_table(packed(PARTS), kind="xlsx")


def test_a_long_namespace_is_refused() -> None:
    allowed = SHEET_MAIN_NS.ljust(packages.MAX_NAMESPACE, "x")
    content = with_xml(workbook(["a"]), SHEET_MAIN_NS, allowed)
    assert read_table(content, kind="xlsx").rows == [["a"]]
    with pytest.raises(Unreadable):
        read_table(with_xml(content, allowed, f"{allowed}x"), kind="xlsx")


def test_a_text_counts_for_each_cell_that_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_CHARACTERS", len("a") + len("end"))
    content = packed(PARTS)
    assert read_table(content, kind="xlsx").rows == [["a", "end"]]
    twice = with_xml(content, '<c r="B1".*?</c>', '<c r="B1" t="s"><v>0</v></c>')
    assert read_table(twice, kind="xlsx").rows == [["a", "a"]]
    monkeypatch.setattr(files, "MAX_CHARACTERS", 1)
    with pytest.raises(Unreadable, match="split"):
        read_table(twice, kind="xlsx")


@pytest.mark.parametrize("number", ["200", "201"])
def test_a_workbook_with_too_many_number_formats_is_refused(
    number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats = f'<numFmt numFmtId="200" formatCode="0"/><numFmt numFmtId="{number}" formatCode="0"/>'
    content = with_xml(packed(PARTS), "<numFmts.*?>", f"<numFmts>{formats}</numFmts>", part=STYLES)
    assert read_table(content, kind="xlsx").rows == [["a", "end"]]
    monkeypatch.setattr(sheets, "MAX_FORMATS", 1)
    with pytest.raises(Unreadable, match="CSV"):
        read_table(content, kind="xlsx")


def test_a_workbook_that_packs_too_well_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = with_xml(workbook(["a"]), "<sheetData>", f"<sheetData>{' ' * 100_000}")
    assert read_table(content, kind="xlsx").rows == [["a"]]
    monkeypatch.setattr(packages, "MAX_UNPACKED_AT_ANY_RATIO", 50_000)
    with pytest.raises(Unreadable, match="CSV"):
        read_table(content, kind="xlsx")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_above_the_limit_is_refused(kind: str) -> None:
    assert read_table(b"a".ljust(MAX_BYTES, b"\n"), kind="csv").rows == [["a"]]
    with pytest.raises(Unreadable, match="1 MB"):
        read_table(b"a".ljust(MAX_BYTES + 1, b"\n"), kind=kind)


@pytest.mark.parametrize("part", [SHEET, STRINGS, STYLES, "xl/workbook.xml"])
@pytest.mark.parametrize("content", ["", ' [<!ENTITY e "a">]'])
def test_a_part_with_a_document_type_is_refused(part: str, content: str) -> None:
    changed, number = re.subn(
        rb"<(\w+)", rb"<!DOCTYPE \1" + content.encode() + rb"><\1", PARTS[part], count=1
    )
    assert number == 1
    with pytest.raises(Unreadable):
        read_table(packed(PARTS | {part: changed}), kind="xlsx")


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_BZIP2, ZIP_LZMA])
def test_only_the_usual_methods_of_packing_are_read(method: int) -> None:
    content = packed(PARTS, method)
    if method == ZIP_STORED:
        assert read_table(content, kind="xlsx").rows == [["a", "end"]]
    else:
        with pytest.raises(Unreadable, match="save"):
            read_table(content, kind="xlsx")


def with_encryption_flag() -> bytes:
    content = bytearray(workbook(["a"]))
    for header, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        for found in re.finditer(re.escape(header), bytes(content)):
            content[found.start() + flags] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512), id="Excel's encryption"),
        pytest.param(with_encryption_flag(), id="an encrypted archive"),
    ],
)
def test_an_encrypted_workbook_is_refused_with_the_remedy(content: bytes) -> None:
    with pytest.raises(Unreadable, match="without a password"):
        read_table(content, kind="xlsx")


UNDAMAGED = unpacked(workbook(["a", 12.5, date(2026, 11, 20), "=1+1"]))
UNDAMAGED_FILE = packed(UNDAMAGED)


@given(data=st.data())
def test_a_damaged_workbook_is_refused_or_read(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["", *sorted(UNDAMAGED)]))
    whole = UNDAMAGED[name] if name else UNDAMAGED_FILE
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + 1 :]
    with suppress(Unreadable):
        read_table(packed(UNDAMAGED | {name: damaged}) if name else damaged, kind="xlsx")


def test_a_truncated_workbook_is_refused() -> None:
    content = workbook(["a"])
    with pytest.raises(Unreadable, match="Save"):
        read_table(content[:-100], kind="xlsx")


# XML and CSV have no NUL, XML makes line feeds of carriage returns and has no U+FFFE and U+FFFF.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufffe\uffff")


@given(text=st.text(LETTERS))
@pytest.mark.parametrize("export_format", ExportFormat)
@example(text="=1+1")
@example(text="_x000D_")
@example(text="\x01")
@example(text="a;=1+1")
@example(text="two\n- lines")
@example(text="a,'\"\t-1\n'@")
def test_exported_text_reads_back_unchanged(export_format: ExportFormat, text: str) -> None:
    assume(not isinstance(value_of_text(text), Invalid))
    file = as_file([["a", "b"], [text, "end"]], name="t", export_format=export_format)
    kind = "xlsx" if export_format == ExportFormat.XLSX else "csv"
    assert read_table(file.content, kind=kind).rows == [["a", "b"], [text, "end"]]


@given(text=st.text(LETTERS) | st.text("a'\" ,;\t|\n=+-@\uff1d"))
@pytest.mark.parametrize(
    "export_format", [kind for kind in ExportFormat if kind != ExportFormat.XLSX]
)
@pytest.mark.parametrize("delimiter", ",;\t|")
def test_no_cell_of_a_csv_file_is_a_formula_under_any_separator(
    delimiter: str, export_format: ExportFormat, text: str
) -> None:
    rows = [["a", "b"], [text, text]]
    content = as_file(rows, name="t", export_format=export_format).content.decode("utf-8-sig")
    for strict_quotes in (True, False):
        quoting = csv.QUOTE_MINIMAL if strict_quotes else csv.QUOTE_NONE
        for row in csv.reader(
            io.StringIO(content, newline=""), delimiter=delimiter, quoting=quoting
        ):
            assert not [
                cell for cell in row if re.match(r'"*[=+\-@\uff1d\uff0b\uff0d\uff20]', cell)
            ]


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
