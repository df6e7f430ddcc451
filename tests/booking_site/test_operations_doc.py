"""The runbook, the alerts and the dashboard name only what exists."""

import json
import re

from django.core.management import get_commands

from booking_site.observability import metrics  # noqa: F401 - registers the metrics
from tests.web import ROOT

RUNBOOK = (ROOT / "docs/operations.md").read_text()
ALERTS = (ROOT / "docs/operations/alerts.yml").read_text()
DASHBOARD = (ROOT / "docs/operations/dashboard.json").read_text()


def test_alerts_and_dashboard_use_existing_metrics() -> None:
    asked = set(re.findall(r"\bbooking_[a-z_]+", ALERTS + DASHBOARD))
    modules = ("observability/metrics.py", "postgres/replica.py")
    source = "".join((ROOT / "booking_site" / module).read_text() for module in modules)
    named = set(re.findall(r'"(booking_[a-z_]+)"', source))
    known = named | {f"{name}{suffix}" for name in named for suffix in ("_total", "_bucket")}
    assert asked <= known
    # And every metric is used.
    assert all(any(each.startswith(name) for each in asked) for name in named)
    assert json.loads(DASHBOARD)["panels"]


def test_every_alert_is_explained_in_the_runbook() -> None:
    alerts = re.findall(r"alert: (\w+)", ALERTS)
    assert len(alerts) >= 9
    assert [alert for alert in alerts if f"`{alert}`" not in RUNBOOK] == []


def test_every_command_of_the_runbook_exists() -> None:
    named = set(re.findall(r"manage\.py (\w+)", RUNBOOK))
    assert {"backup", "restore", "doctor", "createsuperuser"} <= named
    assert named <= get_commands().keys()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", RUNBOOK)) <= targets
