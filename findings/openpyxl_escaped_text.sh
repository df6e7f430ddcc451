#!/bin/sh
# openpyxl leaves escaped characters in the text of a workbook, and drops "x005F_" from any text.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet openpyxl==3.1.5 xlsxwriter==3.2.9
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from openpyxl import load_workbook
from xlsxwriter import Workbook

print("openpyxl", version("openpyxl"), "reads what xlsxwriter", version("xlsxwriter"), "wrote:")
texts = ["a\rb", "_x000D_", "box005F_1"]
with Workbook("texts.xlsx") as book:
    book.add_worksheet().write_column(0, 0, texts)
found = [cell.value for cell in load_workbook("texts.xlsx").active["A"]]
for written, read in zip(texts, found, strict=True):
    print(f"{written!r} as {read!r}")
assert found == ["a_x000D_b", "_x000D_", "bo1"], "changed"
PYTHON
