"""Writes and reads XLSX workbooks with openpyxl."""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils.exceptions import InvalidFileException

from booking_site.spreadsheets.cells import MAX_ROWS, Cell, Unreadable, escape_formula

# A small file can unpack to a lot.
MAX_UNPACKED = 64 * 1024 * 1024
# What openpyxl raises for files that aren't workbooks.
INVALID_WORKBOOK = (BadZipFile, InvalidFileException, ParseError, LookupError, ValueError, OSError)


def write(rows: Iterable[Sequence[Cell]], *, title: str) -> bytes:
    """Return a workbook with one sheet of these rows, the first of them headings."""
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
        # XML does not allow these characters.
        return str(ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", escape_formula(cell)))
    return cell


def read(content: bytes) -> list[list[str]]:
    """Return the rows of the first sheet as text. Raise `Unreadable`."""
    try:
        if sum(part.file_size for part in ZipFile(io.BytesIO(content)).infolist()) > MAX_UNPACKED:
            raise Unreadable("The file is too large when unpacked. Please split it.")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # the size that the file claims may be wrong
        rows = sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=50, values_only=True)
        return [_trimmed([_text(cell) for cell in row]) for row in rows]
    except INVALID_WORKBOOK as error:
        raise Unreadable("The file isn't an XLSX workbook. Save it as XLSX or CSV.") from error


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
