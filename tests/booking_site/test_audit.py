"""`.ci/audit` never reports an incomplete audit as clean. A stub stands in for pip-audit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.web import ROOT

PINS = """\
alpha==1.0 \\
    --hash=sha256:00
    # via -r requirements/base.in
beta-two==2.0 ; sys_platform == "linux" \\
    --hash=sha256:00
gamma==3.0 ; sys_platform == "win32" \\
    --hash=sha256:00
"""
ALPHA = {"name": "alpha", "version": "1.0", "vulns": []}
BETA = {"name": "beta_two", "version": "2.0", "vulns": []}


@pytest.fixture
def audit(tmp_path: Path) -> Any:
    pins = tmp_path / "pins.txt"
    pins.write_text(PINS)

    def run(*packages: Any, code: int = 0, text: str | None = None, error: str = "") -> Any:
        output = json.dumps({"dependencies": packages}) if text is None else text
        (tmp_path / "pip_audit.py").write_text(
            f"import sys\nprint({output!r})\nprint({error!r}, file=sys.stderr)\nsys.exit({code})\n"
        )
        return subprocess.run(
            [sys.executable, ".ci/audit", str(pins)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_packages_without_known_vulnerabilities_are_clean(audit: Any) -> None:
    done = audit(ALPHA, BETA)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No known vulnerabilities in the 2 packages")


def test_a_known_vulnerability_fails_and_is_named(audit: Any) -> None:
    done = audit(ALPHA | {"vulns": [{"id": "PYSEC-1"}]}, BETA, code=1)
    assert (done.returncode, done.stdout) == (1, "alpha 1.0: PYSEC-1\n")


def test_a_package_that_could_not_be_checked_is_not_clean(audit: Any) -> None:
    done = audit(ALPHA, {"name": "beta-two", "skip_reason": "not found"})
    assert done.returncode == 2
    assert done.stderr.startswith("NOT AUDITED: ")
    assert "beta-two" in done.stderr


def test_a_package_missing_from_the_audit_is_not_clean(audit: Any) -> None:
    assert audit(BETA).returncode == 2


def test_an_unreachable_service_is_not_clean(audit: Any) -> None:
    done = audit(text="", code=1, error="ERROR: Could not connect to the service")
    assert done.returncode == 2
    assert done.stderr == "NOT AUDITED: ERROR: Could not connect to the service\n"


def test_a_failure_without_a_reason_is_not_clean(audit: Any) -> None:
    assert audit(ALPHA, BETA, code=1).returncode == 2
    assert audit(text="", code=0).returncode == 2
