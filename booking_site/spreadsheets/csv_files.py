"""Writes and reads CSV files with the separators and encodings that spreadsheets use."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from booking_site.spreadsheets.cells import Cell, Unreadable, Value, escape_formula, value_of_text

_DELIMITERS = ",;\t"
# Excel reads the delimiter from such a line and does not count it as a row.
_DELIMITER_LINE = re.compile(r'"?sep=([,;\t|])"?(?:\r\n?|\n|$)', re.IGNORECASE)
_GUESSED = (
    "The file is not UTF-8 and was read as Windows-1252 (Western European). If letters are wrong"
    " in the preview, save the file as “CSV UTF-8” or XLSX."
)
_DAMAGED = "Parts of the file are not valid {}. Save it as “CSV UTF-8”, or as XLSX."


def write(rows: Iterable[Sequence[Cell]], *, delimiter: str, decimal_sign: str) -> bytes:
    def written(cell: Cell) -> Cell:
        if isinstance(cell, str):
            return escape_formula(cell)
        return str(cell).replace(".", decimal_sign) if isinstance(cell, Decimal) else cell

    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(map(written, row) for row in rows)
    return text.getvalue().encode("utf-8-sig")  # without the mark, Excel guesses the encoding


def read(content: bytes) -> tuple[list[list[Value]], str]:
    """Return the rows, and a note for staff if the encoding was guessed. Raise `Unreadable`."""
    text, note = _decode(content)
    if "\0" in text:
        raise Unreadable("The file contains NUL characters, so it isn't a CSV file.")
    if line := _DELIMITER_LINE.match(text):
        text, delimiter = text[line.end() :], line[1]
    else:
        headings = next(iter(text.splitlines()), "")
        delimiter = max(_DELIMITERS, key=headings.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise Unreadable(f"The file isn't a CSV file: {error}.") from error
    return [[value_of_text(cell) for cell in row] for row in rows], note


def _decode(content: bytes) -> tuple[str, str]:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig"), ""
    except UnicodeDecodeError as error:
        # Text in another encoding contains no multi-byte sequence of UTF-8, except by accident.
        if is_utf16 or not content.decode(errors="ignore").isascii():
            raise Unreadable(_DAMAGED.format("UTF-16" if is_utf16 else "UTF-8")) from error
    try:
        return content.decode("cp1252"), _GUESSED
    except UnicodeDecodeError as error:
        raise Unreadable("The file is not UTF-8. Save it as “CSV UTF-8”, or as XLSX.") from error
