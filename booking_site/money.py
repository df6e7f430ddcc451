"""Currencies by ISO 4217, amounts as text, and the columns that hold amounts."""

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from babel.numbers import format_currency
from django.core.exceptions import ValidationError
from django.db import models
from iso4217 import Currency

from booking_site.languages import babel_locale

# What the columns of amounts can hold; no currency in circulation has more.
MAX_DIGITS = 3


@cache
def currencies() -> dict[str, int]:
    """Return the number of decimal places by currency, for all that a theatre may have.

    Left out are withdrawn currencies, metals and other units for which ISO 4217 gives no number,
    and units of account with more than three.
    """
    return {
        currency.code: currency.exponent
        for currency in Currency
        if currency.exponent is not None and currency.exponent <= MAX_DIGITS
    }


def digits_of(currency: str) -> int:
    """Return the number of decimal places; two for a stored currency that was withdrawn."""
    return currencies().get(currency, 2)


def validate_currency(code: str) -> None:
    """Raise ValidationError unless a theatre may have the currency."""
    if code not in currencies():
        raise ValidationError(
            "“%(code)s” isn't a current currency of ISO 4217. Use three capital letters, e.g. EUR.",
            params={"code": code},
        )


def is_expressible(amount: Decimal, currency: str) -> bool:
    return amount == round(amount, digits_of(currency))


def money_text(amount: Decimal, currency: str) -> str:
    """Format an amount with the digits of its currency: `15.00` USD, `1500` JPY, `4.250` KWD.

    A stored amount that the currency cannot express is not rounded: `10.50` JPY, `4.255` USD.
    """
    return f"{trimmed(trimmed(amount), digits_of(currency)):f}"


def localized_money(amount: Decimal, currency: str) -> str:
    """Format an amount for customers: `€15.00` in English, `15,00 €` in German.

    It has the digits of `money_text`: for some currencies, Babel's own would round the amount.
    """
    text = money_text(amount, currency)
    digits = len(text.partition(".")[2])
    locale = babel_locale()
    pattern = locale.currency_formats["standard"].pattern.replace(
        ".00", "." * bool(digits) + "0" * digits
    )
    return format_currency(Decimal(text), currency, pattern, locale, currency_digits=False)


def trimmed(amount: Decimal, digits: int = 2) -> Decimal:
    """Return the amount with that many decimal places, or unchanged if it needs more."""
    short = round(amount, digits)
    return short if short == amount else amount


if TYPE_CHECKING:
    DecimalColumn = models.DecimalField[Any, Any]
else:  # not generic at run time
    DecimalColumn = models.DecimalField


class AmountField(DecimalColumn):
    """An amount with up to three decimals; it is read with two if the third is zero."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"decimal_places": MAX_DIGITS})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["decimal_places"]
        return name, path, args, kwargs

    def from_db_value(self, value: Decimal | None, *_: Any) -> Decimal | None:
        return None if value is None else trimmed(value)
