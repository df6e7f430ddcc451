"""What the commands report about a database that does not respond."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTHING_LISTENS = "127.0.0.1:1"
# doctor has a test of its own; worker waits; run_site starts its own servers.
OTHERS = {"doctor", "worker", "run_site"}
COMMANDS = sorted(
    path.stem for path in ROOT.glob("*/management/commands/[!_]*.py") if path.stem not in OTHERS
)
ENVIRONMENT = {
    "DATABASE_URL": f"postgres://nobody@{NOTHING_LISTENS}/nothing",
    "WALK_IN_RETENTION_DAYS": "30",  # with 0, erase_walk_in_customers has nothing to do
}
ARGUMENTS = {
    "backup": ["never-written.dump"],
    "changepassword": ["admin@example.com"],
    "import_original": [f"postgres://nobody@{NOTHING_LISTENS}/nothing"],
    "restore": ["manage.py"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_database_is_reported_without_a_traceback(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", command, *ARGUMENTS.get(command, [])],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in {0, 2}, done.stdout
    assert "Traceback" not in done.stderr
    assert NOTHING_LISTENS.split(":")[0] in done.stderr
    assert not (ROOT / "never-written.dump").exists()
