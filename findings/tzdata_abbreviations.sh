#!/bin/sh
# tzdata abbreviates Vancouver's winter time as MST; browsers write PDT.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet tzdata==2026.6
# Empty, so that Python reads the package and not the system's data.
PYTHONTZPATH='' "$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

print("tzdata", version("tzdata"))
for month in (1, 12):
    noon = datetime(2026, month, 1, 12, tzinfo=ZoneInfo("America/Vancouver"))
    print(f"{noon:%Y-%m-%d} {noon:%Z}, UTC{noon:%z}")
assert f"{noon:%Z} {noon:%z}" == "MST -0700", "changed"
PYTHON
