"""What takes guards out, for controls."""

import pytest
from django.db.models import QuerySet


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
