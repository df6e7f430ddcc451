"""Writes XLSX workbooks with openpyxl, and reads them."""

import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

from booking_site.spreadsheets.cells import Cell, Unreadable, Value, escape_formula
from booking_site.spreadsheets.packages import DAMAGED, Package
from booking_site.spreadsheets.sheets import visible_sheets

# Characters that XML does not allow are written as `_x0001_`, so such a text is escaped as well.
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


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
        used = [sheet for sheet in visible_sheets(Package(content)) if sheet.rows]
    except DAMAGED as error:
        raise Unreadable(
            "The file is damaged, or isn't an XLSX workbook. Save it as XLSX or CSV."
        ) from error
    if len(used) > 1:
        titles = ", ".join(sheet.title for sheet in used)
        raise Unreadable(f"The file has several sheets: {titles}. Save one as its own file.")
    if not used:
        return []
    [sheet] = used
    if sheet.merged:
        raise Unreadable(f"Cells {sheet.merged} are merged. Unmerge them, and fill in each one.")
    return sheet.rows
