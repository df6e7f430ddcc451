"""Fixtures: a show, its seats, a second customer, and services without locks for controls."""

from collections.abc import Callable

import pytest
from django.db.models import QuerySet
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.postgres.pipeline import Statement
from catalog.models import Seat, Show
from tests.factories import ShowFactory, UserFactory, make_seats


@pytest.fixture
def show(db: None) -> Show:
    """A show without a screen, and so without the gap rule."""
    return ShowFactory(theatre__currency="EUR")


@pytest.fixture
def seats(show: Show) -> list[Seat]:
    """A1 to A6 and B1 to B6."""
    return make_seats(show, "SSSSSS", "SSSSSS")


@pytest.fixture
def rival(login: Callable[[User], APIClient]) -> APIClient:
    """A second customer."""
    return login(UserFactory())


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    # Statements compiled earlier, with their locks, are compiled again while the test runs.
    monkeypatch.setattr(Statement, "compiled", property(Statement.compile))
