"""Writes and reads tables as CSV and XLSX files."""

import csv
import io
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import ModuleType

from django.http import HttpResponse

from booking_site.spreadsheets.cells import (
    MAX_ROWS,
    Cell,
    Unreadable,
    escape_formula,
    unescape_formula,
)

CSV = "csv"
XLSX = "xlsx"
KINDS = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def as_file(rows: Iterable[Sequence[Cell]], *, name: str, kind: str) -> HttpResponse:
    """Return the rows as a download called `name`; the first row has the headings."""
    content = _workbooks().write(rows, title=name) if kind == XLSX else _csv(rows)
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return HttpResponse(content, content_type=KINDS[kind], headers=disposition)


def read_table(content: bytes, *, kind: str) -> list[list[str]]:
    """Return the rows as text, with the headings. Raise `Unreadable`.

    Only empty rows at the end are left out, so an index is a row's position in the file. Whole
    numbers of an XLSX lose their decimal point: `12.0` becomes `12`.
    """
    rows = _workbooks().read(content) if kind == XLSX else _csv_rows(content)
    if len(rows) > MAX_ROWS:
        raise Unreadable(f"The file has more than {MAX_ROWS} rows. Please split it.")
    while rows and not any(rows[-1]):
        rows.pop()
    return [[unescape_formula(cell) for cell in row] for row in rows]


def _workbooks() -> ModuleType:
    # Imported on first use, as openpyxl takes 6 MiB of each process.
    return import_module("booking_site.spreadsheets.workbooks")


def _csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow(escape_formula(cell) if isinstance(cell, str) else cell for cell in row)
    return text.getvalue().encode("utf-8-sig")  # without the mark, Excel guesses the encoding


def _csv_rows(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("The file is not UTF-8. Save it as “CSV UTF-8”, or as XLSX.") from error
    if "\0" in text:
        raise Unreadable("The file contains NUL characters, so it isn't a CSV file.")
    heading = text.partition("\n")[0]
    # Spreadsheets write semicolons where the decimal separator is a comma.
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise Unreadable(f"The file isn't a CSV file: {error}.") from error
