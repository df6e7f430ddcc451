"""Writes and reads XLSX workbooks with openpyxl."""

import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils.escape import unescape
from openpyxl.utils.exceptions import InvalidFileException

from booking_site.spreadsheets.cells import (
    Cell,
    Invalid,
    Unreadable,
    Value,
    escape_formula,
    is_blank,
    value_of_text,
)

# A small file can unpack to a lot.
MAX_UNPACKED = 64 * 1024 * 1024
# Excel's own limit. A file can claim any number.
MAX_SHEET_ROWS = 2**20
# What openpyxl raises for files that aren't workbooks.
INVALID_WORKBOOK = (BadZipFile, InvalidFileException, ParseError, LookupError, ValueError, OSError)
# Characters that XML does not allow are written as `_x0001_`, so such a text is escaped as well.
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([^"]*)"')
_AS_TEXT = "Format the cell as text and enter the value again."
_UNCALCULATED = "The formula has no value. Open the file in a spreadsheet program and save it."


def write(rows: Iterable[Sequence[Cell]], *, title: str) -> bytes:
    """Return a workbook with one sheet of these rows, the first of them headings."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    for number, row in enumerate(rows):
        cells: list[Any] = [_writable(cell, sheet) for cell in row]
        if number == 0:
            cells = [WriteOnlyCell(sheet, cell) for cell in cells]
            for cell in cells:
                cell.font = Font(bold=True)
        sheet.append(cells)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _writable(cell: Cell, sheet: Any) -> Any:
    """Return the cell; a decimal number is displayed with all its digits, such as 12.50."""
    if isinstance(cell, Decimal):
        number = WriteOnlyCell(sheet, cell)
        number.number_format = f"{abs(cell) * 0:f}"
        return number
    if isinstance(cell, str):
        text = _LOOKS_ESCAPED.sub("_x005F_", escape_formula(cell))
        return str(ILLEGAL_CHARACTERS_RE.sub(lambda found: f"_x{ord(found[0]):04X}_", text))
    return cell


def read(content: bytes) -> list[list[Value]]:
    """Return the rows of the only sheet that has any. Raise `Unreadable`."""
    try:
        if sum(part.file_size for part in ZipFile(io.BytesIO(content)).infolist()) > MAX_UNPACKED:
            raise Unreadable("The file is too large when unpacked. Please split it.")
        # The first workbook has the results of formulas, the second the formulas.
        results, formulas = (
            load_workbook(io.BytesIO(content), read_only=True, data_only=data_only).worksheets
            for data_only in (True, False)
        )
        for sheet in results + formulas:
            sheet.reset_dimensions()  # the size that the file claims may be wrong
        used = [
            (index, rows)
            for index, sheet in enumerate(results)
            if sheet.sheet_state == "visible" and (rows := _rows(sheet, formulas[index]))
        ]
        if len(used) > 1:
            names = ", ".join(results[index].title for index, _ in used)
            raise Unreadable(f"The file has several sheets: {names}. Save one as its own file.")
        if not used:
            return []
        [(index, rows)] = used
        _require_unmerged(results[index])
        return rows
    except INVALID_WORKBOOK as error:
        raise Unreadable("The file isn't an XLSX workbook. Save it as XLSX or CSV.") from error


def _rows(results: Any, formulas: Any) -> list[list[Value]]:
    """Return a sheet's rows up to the last one that isn't blank."""
    rows: list[list[Value]] = []
    pairs = zip(results.iter_rows(), formulas.iter_rows(), strict=True)
    for index, cells in enumerate(pairs):
        if index == MAX_SHEET_ROWS:
            raise Unreadable("The file has more rows than a sheet can have.")
        row = [_value(result, formula) for result, formula in zip(*cells, strict=True)]
        while row and is_blank(row[-1]):
            row.pop()
        if row:
            rows += [[] for _ in range(index - len(rows))]
            rows.append(row)
    return rows


def _require_unmerged(sheet: Any) -> None:
    with sheet._get_source() as part:
        merged = _MERGED.search(part.read())
    if merged:
        place = merged[1].decode()
        raise Unreadable(f"Cells {place} are merged. Unmerge them, and fill in each one.")


def _value(result: Any, formula: Any) -> Value:
    match result.value:
        case None:
            # A formula whose result is an empty text has this type.
            uncalculated = formula.data_type == "f" and result.data_type != "str"
            return Invalid(_UNCALCULATED) if uncalculated else ""
        case time() | timedelta():
            return Invalid(f"The cell contains a time. {_AS_TEXT}")
        case datetime() as moment if moment.time() != time():
            return Invalid("The cell contains a date with a time. Enter a date.")
        case datetime() as moment:
            return moment.date()
        case date() as day:
            return day
        case bool() as truth:
            return str(truth).upper()
        case int() | float() as number:
            if "%" in result.number_format:
                return Invalid(f"The cell contains a percentage. {_AS_TEXT}")
            return f"{number:.15g}"  # as precise as spreadsheets: 7*1.1 is 7.7
        case text:
            return value_of_text(unescape(str(text)))
