"""The guards and tests that docs/reliability.md names exist."""

import ast
import re

import pytest

from tests.web import ROOT

DOCUMENT = (ROOT / "docs/reliability.md").read_text()
REFERENCES = sorted(set(re.findall(r"`([\w/.]+\.py)::(\w+)`", DOCUMENT)))


def names_in(path: str) -> set[str]:
    """Return the functions and classes that a module defines."""
    body = ast.parse((ROOT / path).read_text()).body
    return {each.name for each in body if isinstance(each, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_every_cited_name_exists(path: str, name: str):
    assert name in names_in(path)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/faults").glob("test_*.py")))
def test_every_fault_that_is_tested_is_in_the_document(path):
    place = str(path.relative_to(ROOT))
    tests = {name for name in names_in(place) if name.startswith("test_")}
    assert tests == {name for each, name in REFERENCES if each == place}
