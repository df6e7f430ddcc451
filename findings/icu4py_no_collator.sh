#!/bin/sh
# icu4py, the bindings to ICU, has no collator.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet icu4py==1.2.0
"$folder/venv/bin/python" - <<'PYTHON'
import pkgutil
from importlib import import_module
from importlib.metadata import version

import icu4py

print("icu4py", version("icu4py"))
modules = [module.name for module in pkgutil.iter_modules(icu4py.__path__)]
names = [name for module in modules for name in dir(import_module(f"icu4py.{module}"))]
print("modules:", *sorted(modules))
found = [name for name in (*modules, *names) if "collat" in name.lower()]
print("names with a collator:", found)
assert not found, "changed"
PYTHON
