"""Prometheus's own promtool checks the alerting rules; the cases are in `alerts.yml`."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.web import ROOT

RULES = (ROOT / "docs/operations/alerts.yml").read_text()
CASES = Path(__file__).with_name("alerts.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)


def failure_of(folder: Path, *, rules: str) -> str:
    """Return what promtool reports about the cases; an empty text without a failure."""
    (folder / "rules.yml").write_text(rules)
    cases = CASES.replace("../../docs/operations/alerts.yml", "rules.yml")
    (folder / "cases.yml").write_text(cases)
    done = subprocess.run(
        ["promtool", "test", "rules", folder / "cases.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


def test_each_case_fires_its_alert_and_no_other(tmp_path: Path) -> None:
    assert failure_of(tmp_path, rules=RULES) == ""


@pytest.mark.parametrize("alert", ALERTS)
def test_without_an_alert_its_case_fails(alert: str, tmp_path: Path) -> None:
    start, others = re.split(rf"      - alert: {alert}\n", RULES)
    _, separator, rest = others.partition("      - alert: ")
    assert f'alertname="{alert}"' in failure_of(tmp_path, rules=start + separator + rest)
