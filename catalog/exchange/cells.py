"""Parses the cells of an imported table. A ValueError says what is wrong and how to fix it."""

import re
from datetime import date
from decimal import Decimal
from typing import Any
from unicodedata import normalize

from django import forms
from django.core.exceptions import ValidationError
from import_export import widgets

from accounts.models import User
from booking_site.money import trimmed
from catalog.models import Theatre
from catalog.staff import theatres_of

_PRICE = re.compile(r"[0-9]{1,6}(?:[.,]([0-9]{1,3}))?")
_EXAMPLES = {0: "1500", 2: "12.50 or 12,50", 3: "4.250 or 4,250"}  # by digits
_DAY = forms.DateField(input_formats=["%Y-%m-%d", "%d.%m.%Y"], required=False)


def _text(value: Any) -> str:
    """Return the text of a cell, stripped. Raise ValueError for a date.

    Spreadsheets turn some titles into dates.
    """
    if isinstance(value, date):
        raise ValueError("The cell contains a date. Format it as text and enter the value again.")
    # In the form in which texts are stored, so that a row is found by its name.
    return normalize("NFC", str(value).strip())


class PlainText(widgets.CharWidget):  # type: ignore[misc] # untyped
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        return _text(value)


class Texts(widgets.SimpleArrayWidget):  # type: ignore[misc] # untyped
    """Texts separated by commas."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> list[str]:
        return [text for part in _text(value).split(",") if (text := part.strip())]


class WholeNumber(widgets.Widget):  # type: ignore[misc] # untyped
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int | None:
        text = _text(value)
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError(f"“{text[:40]}” isn't a whole number. Use digits only, e.g. 120.")
        return int(text) if text else None


class Day(widgets.DateWidget):  # type: ignore[misc] # untyped
    def __init__(self) -> None:
        super().__init__("%Y-%m-%d")

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        try:
            return _DAY.to_python(value)
        except ValidationError as error:
            message = f"“{value[:40]}” isn't a date. Use the format 2026-12-31 or 31.12.2026."
            raise ValueError(message) from error


class Money(widgets.Widget):  # type: ignore[misc] # untyped
    """A price with at most `digits` decimal places, the most of the theatres' currencies.

    It is written with `written_digits`, or more if it needs them.

    Three digits after a point or comma are decimals if a theatre's currency has three; otherwise
    they could be thousands, so they are refused.
    """

    digits = written_digits = 2

    def clean(
        self, value: Any, row: Any = None, *, stored: Decimal | None = None, **kwargs: Any
    ) -> Decimal | None:
        """Accept the `stored` price, whatever its digits."""
        text = _text(value)
        if not text:
            return None
        match = _PRICE.fullmatch(text)
        price = trimmed(Decimal(text.replace(",", "."))) if match else None
        if stored is not None and price == stored != round(stored, self.digits):
            return price
        places = match[1] or "" if match else ""
        if price is None or len(places) > max(2, self.digits) or places[self.digits :].strip("0"):
            raise ValueError(
                f"“{text[:40]}” isn't a price. Use the format {_EXAMPLES[self.digits]}, without a"
                " currency or thousands separators."
            )
        return price

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Decimal | None:
        return None if value is None else trimmed(value, self.written_digits)


class TheatreName(widgets.Widget):  # type: ignore[misc] # untyped
    """A theatre by name, among those where the user works."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user = user

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Theatre:
        name = _text(value)
        found = list(theatres_of(self.user).filter(name=name)[:2])
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"You work in several theatres called “{name[:80]}”. Rename one.")
        raise ValueError(f"You work in no theatre called “{name[:80]}”. Check the name.")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return str(value)
