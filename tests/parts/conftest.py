"""Fixtures of the tests with nginx."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.models import Show
from tests.factories import ShowFactory, make_seats
from tests.parts.nginx import Proxied, serving


@pytest.fixture
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxied]:
    """The parameter names the web server: granian unless a test says otherwise."""
    with serving(tmp_path, by=getattr(request, "param", "granian")) as proxied:
        yield proxied


@pytest.fixture
def show() -> Show:
    show: Show = ShowFactory()
    make_seats(show, "S" * 20)
    return show
