"""Fixtures of the accounts tests."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.models import User
from booking_site import redis_client
from tests.factories import UserFactory

PASSWORD = "four lions at the gate"


@pytest.fixture
def person(db: None) -> User:
    """A user who can log in with `PASSWORD`."""
    return UserFactory(name="Lena Lion", email="lena@example.com", password=PASSWORD)


@pytest.fixture
def call() -> Callable[..., Response]:
    """Send a JSON body to an address under /api/auth, with a new client."""

    def send(path: str, body: dict[str, Any], **headers: Any) -> Response:
        return APIClient().post(f"/api/auth/{path}", body, format="json", **headers)

    return send


@pytest.fixture
def without_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Redis unreachable."""
    # Its own breaker, because the shared one would stay open.
    monkeypatch.setattr(redis_client, "breaker", redis_client.Breaker())
    settings.CACHES = {
        name: {**config, "LOCATION": "redis://127.0.0.1:1/0"}
        for name, config in settings.CACHES.items()
    }
