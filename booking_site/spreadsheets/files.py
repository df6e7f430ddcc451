"""Writes and reads tables as CSV and XLSX files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from types import ModuleType

from django.conf import settings
from django.db.models import TextChoices
from django.http import HttpRequest, HttpResponse

from booking_site.spreadsheets import csv_files
from booking_site.spreadsheets.cells import (
    MAX_COLUMNS,
    MAX_ROWS,
    TOO_MANY_COLUMNS,
    TOO_MANY_ROWS,
    Cell,
    Unreadable,
    Value,
    is_blank,
)

CSV = "csv"
XLSX = "xlsx"
MAX_BYTES = 1024 * 1024
# Any number of a workbook's cells can refer to one text.
MAX_CHARACTERS = 4 * 1024 * 1024
# Excel saves “Unicode Text” as .txt.
KINDS_BY_EXTENSION = {"csv": CSV, "txt": CSV, "tsv": CSV, "xlsx": XLSX}
_CONTENT_TYPES = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_FORMAT_COOKIE = "export_format"


class ExportFormat(TextChoices):
    """The kind of an exported file, with the separators of a CSV file."""

    CSV = "csv", "CSV: comma, 12.50"
    CSV_SEMICOLON = "csv-semicolon", "CSV: semicolon, 12.50"
    CSV_DECIMAL_COMMA = "csv-decimal-comma", "CSV: semicolon, 12,50"
    XLSX = "xlsx", "Excel (XLSX)"


@dataclass(frozen=True, slots=True)
class TableFile:
    """The rows of a file, headings first; an index is a row's position in the file.

    Blank rows at the end are left out. `note` is what staff should check in the preview, or "".
    """

    rows: list[list[Value]]
    note: str


def as_file(
    rows: Iterable[Sequence[Cell]], *, name: str, export_format: ExportFormat
) -> HttpResponse:
    """Return the rows as a download called `name`; the first row has the headings.

    The browser remembers the format for `remembered_format`.
    """
    kind = XLSX if export_format == ExportFormat.XLSX else CSV
    if kind == XLSX:
        content = _workbooks().write(rows, title=name)
    else:
        content = csv_files.write(
            rows,
            delimiter="," if export_format == ExportFormat.CSV else ";",
            decimal_sign="," if export_format == ExportFormat.CSV_DECIMAL_COMMA else ".",
        )
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    response = HttpResponse(content, content_type=_CONTENT_TYPES[kind], headers=disposition)
    response.set_cookie(
        _FORMAT_COOKIE,
        export_format,
        max_age=timedelta(days=365),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def remembered_format(request: HttpRequest) -> ExportFormat:
    """Return the format of the last export in this browser."""
    name = request.COOKIES.get(_FORMAT_COOKIE)
    return ExportFormat(name) if name in ExportFormat.values else ExportFormat.CSV


def read_table(content: bytes, *, kind: str) -> TableFile:
    """Read a file of kind CSV or XLSX. Raise `Unreadable`."""
    if len(content) > MAX_BYTES:
        raise Unreadable("The file is larger than 1 MB. Please split it.")
    rows, note = (_workbooks().read(content), "") if kind == XLSX else csv_files.read(content)
    while rows and all(map(is_blank, rows[-1])):
        rows.pop()
    if len(rows) > MAX_ROWS:
        raise Unreadable(TOO_MANY_ROWS)
    if any(len(row) > MAX_COLUMNS for row in rows):
        raise Unreadable(TOO_MANY_COLUMNS)
    if sum(len(cell) for row in rows for cell in row if isinstance(cell, str)) > MAX_CHARACTERS:
        raise Unreadable("The file has too much text. Please split it.")
    return TableFile(rows, note)


def _workbooks() -> ModuleType:
    # Imported on first use, as openpyxl takes 6 MiB of each process.
    return import_module("booking_site.spreadsheets.workbooks")
