"""Every row of docs/security.md names a test that exists."""

import ast
import re

import pytest

from tests.web import ROOT

DOCUMENT = (ROOT / "docs/security.md").read_text()
ROWS = [
    line
    for line in DOCUMENT.splitlines()
    if line.startswith("| ") and not line.startswith(("| Risk", "| Item"))
]
REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)` \|$")
APPS = ("booking_site", "accounts", "catalog", "bookings", "reports", "legacy_import", "demo")
# Modules by which a program fetches an address that somebody names.
FETCHERS = {"requests", "httpx", "urllib.request", "aiohttp", "http.client", "urllib3", "ftplib"}


def test_the_table_covers_every_risk_of_the_top_ten() -> None:
    assert len(ROWS) >= 45
    assert {f"API{number}" for number in range(1, 11)} <= set(re.findall(r"\bAPI\d+", DOCUMENT))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_every_row_has_an_existing_test(row: str) -> None:
    found = REFERENCE.search(row)
    assert found is not None
    path, name = found.groups()
    tests = ast.parse((ROOT / path).read_text()).body
    assert name in {each.name for each in tests if isinstance(each, ast.FunctionDef)}


def test_nothing_here_fetches_an_address() -> None:
    development = ROOT / "booking_site/embedded"
    served = [
        path
        for package in APPS
        for path in (ROOT / package).rglob("*.py")
        if development not in path.parents
    ]
    assert len(served) > 80
    imported = {
        name
        for path in served
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }
    assert not imported & FETCHERS


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []
