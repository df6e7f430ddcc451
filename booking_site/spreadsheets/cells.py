"""What a cell of a spreadsheet may be, and how its text is kept from running as a formula.

A text that a spreadsheet would run as a formula is written with an apostrophe before it, and
read without it, so every text reads as it was before it was written.
"""

import re
from datetime import date
from decimal import Decimal

Cell = str | int | Decimal | date | None

# Nobody would read the preview of more.
MAX_ROWS = 5_000
_DANGEROUS = re.compile(r"'*[=+\-@\t\r\n]")
_DEFUSED = re.compile(r"'+[=+\-@\t\r\n]")


class Unreadable(Exception):
    """The file is not a table; the message says what to do."""


def defused(text: str) -> str:
    """Return the text in a form that no spreadsheet takes for a formula."""
    return f"'{text}" if _DANGEROUS.match(text) else text


def fused(text: str) -> str:
    """Undo `defused`."""
    return text[1:] if _DEFUSED.match(text) else text
