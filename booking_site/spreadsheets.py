"""Tables as files for people's spreadsheets, and back: CSV and XLSX.

A text that a spreadsheet would run as a formula is written with an apostrophe
before it, and read without it, so what is written reads as what it was.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from django.http import HttpResponse
from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils.exceptions import InvalidFileException

Cell = str | int | Decimal | date | None

CSV = "csv"
XLSX = "xlsx"
KINDS = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_DANGEROUS = re.compile(r"'*[=+\-@\t\r\n]")
_DEFUSED = re.compile(r"'+[=+\-@\t\r\n]")
# Of a file that unpacks to more, nobody would read the preview; a small one can unpack to a lot.
MAX_ROWS = 5_000
MAX_UNPACKED = 64 * 1024 * 1024
# What openpyxl raises for files that only claim to be one.
NO_WORKBOOK = (BadZipFile, InvalidFileException, ParseError, LookupError, ValueError, OSError)


class Unreadable(Exception):
    """The file is no table; the message says what to do."""


def as_file(rows: Iterable[Sequence[Cell]], *, name: str, kind: str) -> HttpResponse:
    """Answer with the rows, the first of them headings, as a download called `name`."""
    content = _xlsx(rows, name) if kind == XLSX else _csv(rows)
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return HttpResponse(content, content_type=KINDS[kind], headers=disposition)


def read_table(content: bytes, *, kind: str) -> list[list[str]]:
    """Return the rows as text, headings included, empty rows left out. Raise `Unreadable`.

    Every row has its place in the file: number it by `enumerate`, empty rows
    at the end aside. Numbers of an XLSX lose what is no digit of theirs (`12.0` is `12`).
    """
    rows = _xlsx_rows(content) if kind == XLSX else _csv_rows(content)
    if len(rows) > MAX_ROWS:
        raise Unreadable(f"The file has more than {MAX_ROWS} rows. Please split it.")
    while rows and not any(rows[-1]):
        rows.pop()
    return [[fused(cell) for cell in row] for row in rows]


def defused(text: str) -> str:
    """Let no spreadsheet take the text for a formula."""
    return f"'{text}" if _DANGEROUS.match(text) else text


def fused(text: str) -> str:
    """Undo `defused`."""
    return text[1:] if _DEFUSED.match(text) else text


def _csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow(defused(cell) if isinstance(cell, str) else cell for cell in row)
    return text.getvalue().encode("utf-8-sig")  # the mark without which Excel guesses


def _xlsx(rows: Iterable[Sequence[Cell]], title: str) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    for number, row in enumerate(rows):
        cells: list[Any] = [_writable(cell) for cell in row]
        if number == 0:
            cells = [WriteOnlyCell(sheet, cell) for cell in cells]
            for cell in cells:
                cell.font = Font(bold=True)
        sheet.append(cells)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _writable(cell: Cell) -> Cell:
    if isinstance(cell, str):
        # XML has no such characters.
        return str(ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", defused(cell)))
    return cell


def _csv_rows(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("The file is not UTF-8. Save it as “CSV UTF-8”, or as XLSX.") from error
    if "\0" in text:
        raise Unreadable("The file has NUL characters in it: it is no CSV.")
    heading = text.partition("\n")[0]
    # Spreadsheets write semicolons where the comma is part of numbers.
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise Unreadable(f"The file is no CSV: {error}.") from error


def _xlsx_rows(content: bytes) -> list[list[str]]:
    try:
        if sum(part.file_size for part in ZipFile(io.BytesIO(content)).infolist()) > MAX_UNPACKED:
            raise Unreadable("The file is too large when unpacked. Please split it.")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file claims about its size may be wrong
        rows = sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=50, values_only=True)
        return [_trimmed([_text(cell) for cell in row]) for row in rows]
    except NO_WORKBOOK as error:
        raise Unreadable("The file is no XLSX workbook. Save it as XLSX or CSV.") from error


def _trimmed(row: list[str]) -> list[str]:
    while row and not row[-1]:
        row.pop()
    return row


def _text(cell: object) -> str:
    match cell:
        case None:
            return ""
        case datetime():
            return cell.date().isoformat() if not cell.time().hour else cell.isoformat()
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return str(cell)
