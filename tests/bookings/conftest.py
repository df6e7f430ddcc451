"""A show, its seats, a rival; and what takes guards out, for controls."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from django.db.models import QuerySet
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.postgres.compiled import Compiled
from booking_site.postgres.statements import Statement
from bookings import idempotency
from bookings.services import first_look, sales
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
    """Another customer than `customer`."""
    return login(UserFactory())


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    # Also what was compiled before, with its lock, is compiled anew while this holds.
    monkeypatch.setattr(Compiled, "_written", property(Compiled._write))
    unlocked = Statement(sales.TERMS_AND_HOLD.sql.replace("FOR NO KEY UPDATE", ""))
    for module in (sales, first_look):
        monkeypatch.setattr(module, "TERMS_AND_HOLD", unlocked)


@pytest.fixture
def nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a purchase ask one thing after the other, for tests that step in between."""
    monkeypatch.setattr(idempotency, "sent_ahead", lambda *calls: nullcontext())
