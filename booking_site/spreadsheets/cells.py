"""The values of spreadsheet cells, and the escaping of text that would run as a formula.

Such a text is written with an apostrophe in front, which is removed when the file is read. Text
after a separator, within a cell, gets one as well: a spreadsheet may split cells there.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

# What an export writes.
Cell = str | int | Decimal | date | None

# Nobody would read a longer preview, and each row of an import takes about ten statements.
MAX_ROWS = 2_000
MAX_COLUMNS = 250
TOO_MANY_ROWS = f"The file has more than {MAX_ROWS} rows. Please split it."
TOO_MANY_COLUMNS = f"The file has more than {MAX_COLUMNS} columns. Delete those without a heading."
# Spreadsheets of East Asia run formulas that start with a wide sign. A quotation mark at the start
# of a cell may be removed.
_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20"
_FORMULA = rf"(?:\A(?={{0}}['\"]*[{_SIGNS}\t\r\n])|(?<=[,;|\t\r\n])(?={{0}}['\"]*[{_SIGNS}]))"
_UNESCAPED = re.compile(_FORMULA.format(""))
_ESCAPED = re.compile(_FORMULA.format("'") + "'")
# What spreadsheets show, in several languages, for a formula without a result or a column that is
# too narrow.
_ERROR = re.compile(r"#(?:[¡¿]?[^\W\d_]+(?:/0)?[!?]|[^\W\d_]/[^\W\d_]|NV|#+)|Err:[0-9]{3}")


class Unreadable(Exception):
    """The file is not a table. The message tells staff what to do."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A cell whose value differs from what staff see; `message` states the remedy."""

    message: str


# What a file's cell contains; a blank one contains "".
Value = str | date | Invalid


def value_of_text(text: str) -> Value:
    """Return the text of a file's cell without its escape, or Invalid if it is an error."""
    if _ERROR.fullmatch(text) and (text == text.upper() or text.startswith("Err:")):
        return Invalid(f"The cell shows the error {text}. Enter its value.")
    return unescape_formula(text)


def is_blank(value: Value) -> bool:
    return isinstance(value, str) and not value.strip()


def escape_formula(text: str) -> str:
    """Return the text in a form that no spreadsheet runs as a formula."""
    return _UNESCAPED.sub("'", text)


def unescape_formula(text: str) -> str:
    """Undo `escape_formula`."""
    return _ESCAPED.sub("", text)
