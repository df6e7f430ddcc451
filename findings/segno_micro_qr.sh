#!/bin/sh
# segno.make of a short text returns a Micro QR code, which most telephones do not read.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet segno==1.6.6
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import segno

print("segno", version("segno"))
code, full = segno.make("TICKET 7"), segno.make_qr("TICKET 7")
print("make:   ", code.designator, "is micro" if code.is_micro else "is not micro")
print("make_qr:", full.designator, "is micro" if full.is_micro else "is not micro")
assert code.is_micro and not full.is_micro, "changed"
PYTHON
