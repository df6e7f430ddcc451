"""Parses the cells of an imported table. A ValueError says what is wrong and how to fix it."""

from decimal import Decimal, InvalidOperation
from typing import Any

from import_export import widgets

from accounts.models import User
from catalog.models import Theatre
from catalog.staff import theatres_of


class PlainText(widgets.CharWidget):  # type: ignore[misc] # untyped
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        return str(value or "").strip()


class WholeNumber(widgets.Widget):  # type: ignore[misc] # untyped
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int | None:
        text = str(value or "").strip()
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError(f"“{text[:40]}” isn't a whole number. Use digits only, e.g. 120.")
        return int(text) if text else None


class Day(widgets.DateWidget):  # type: ignore[misc] # untyped
    def __init__(self) -> None:
        super().__init__("%Y-%m-%d")

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        try:
            return super().clean(str(value or "").strip(), row)
        except ValueError as error:
            raise ValueError(f"“{value[:40]}” isn't a date. Use the format 2026-12-31.") from error


class Money(widgets.Widget):  # type: ignore[misc] # untyped
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Decimal | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            price = Decimal(text)
            if price.is_finite() and 0 <= price < 10**6 and price == round(price, 2):
                return round(price, 2)
        except InvalidOperation:
            pass
        raise ValueError(f"“{text[:40]}” isn't a price. Use the format 12.50, without a currency.")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Decimal | None:
        price: Decimal | None = value
        return price


class TheatreName(widgets.Widget):  # type: ignore[misc] # untyped
    """A theatre by name, among those where the user works."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user = user

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Theatre:
        name = str(value).strip()
        found = list(theatres_of(self.user).filter(name=name)[:2])
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"You work in several theatres called “{name[:80]}”. Rename one.")
        raise ValueError(f"You work in no theatre called “{name[:80]}”. Check the name.")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return str(value)
