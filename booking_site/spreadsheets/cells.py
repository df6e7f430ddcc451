"""The values of spreadsheet cells, and the escaping of text that would run as a formula.

Such a text is written with a leading apostrophe, which is removed when the file is read.
"""

import re
from datetime import date
from decimal import Decimal

Cell = str | int | Decimal | date | None

# Nobody would read a longer preview.
MAX_ROWS = 5_000
_DANGEROUS = re.compile(r"'*[=+\-@\t\r\n]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r\n]")


class Unreadable(Exception):
    """The file is not a table. The message tells staff what to do."""


def escape_formula(text: str) -> str:
    """Return the text in a form that no spreadsheet runs as a formula."""
    return f"'{text}" if _DANGEROUS.match(text) else text


def unescape_formula(text: str) -> str:
    """Undo `escape_formula`."""
    return text[1:] if _ESCAPED.match(text) else text
