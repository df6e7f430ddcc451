#!/bin/sh
# Babel 2.19.0 gives some currencies no decimal places where ISO 4217 gives them two or three.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet babel==2.19.0 iso4217==1.16.20260101
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

print("babel", version("babel"), "iso4217", version("iso4217"))
differing = {
    currency.code: (get_currency_precision(currency.code), currency.exponent)
    for currency in Currency
    if currency.exponent not in (None, get_currency_precision(currency.code))
}
for code, (babel, iso) in differing.items():
    print(f"{code}: {babel} instead of {iso}")
written = format_currency("12.345", "IQD", locale="en")
print("12.345 IQD is written", repr(written))
assert len(differing) == 15 and {babel for babel, _ in differing.values()} == {0}, "changed"
assert written == "IQD12", "changed"
PYTHON
