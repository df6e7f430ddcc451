"""The log has the id of each request, and never what a client sent, whatever the call."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from logging.config import DictConfigurator

import pytest
import structlog
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.observability import request_log
from booking_site.observability.logging import logging_config
from tests.factories import UserFactory
from tests.test_foreign_access import CALLS

CANARY = "canary-5f2e-yellow"
BODY = {
    "name": CANARY,
    "email": f"{CANARY}@example.com",
    "password": CANARY,
    "current_password": CANARY,
    "refresh": CANARY,
    "token": CANARY,
    "uid": CANARY,
    "reset_token": CANARY,
    CANARY: CANARY,
}
PARTS = {"id": 1, "movie_id": 1, "theatre_id": 1, "show_id": 1, "reference": "AAAA-AAAA"}
SHAPES = {
    "/api/auth/register": ("name", "email", "password"),
    "/api/auth/guest": ("name", "email"),
    "/api/auth/guest/claim": ("uid", "token"),
    "/api/auth/login": ("email", "password"),
    "/api/auth/password/reset": ("email",),
    "/api/auth/password/change": ("current_password",),
    "/api/auth/me": ("password",),
    "/api/auth/refresh": ("refresh",),
}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Capture the log in the format of production."""
    written = StringIO()
    before = structlog.get_config()
    configuration = logging_config(as_json=True)
    context = structlog.get_context(request_log.log)
    requests = structlog.wrap_logger(
        structlog.WriteLogger(written), processors=structlog.get_config()["processors"]
    )
    monkeypatch.setattr(request_log, "log", requests.bind(**context))
    # `logging_config` also configures structlog, whose loggers already exist: undo that.
    structlog.configure(**before)
    lines = DictConfigurator(configuration).configure_formatter(
        configuration["formatters"]["lines"]
    )
    handler = logging.StreamHandler(written)
    handler.setFormatter(lines)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


@pytest.mark.django_db
@pytest.mark.parametrize("crash", [False, True], ids=["responses", "crashes"])
def test_the_log_never_has_what_was_sent(
    log: StringIO, crash: bool, monkeypatch: pytest.MonkeyPatch, user: User
) -> None:
    person = UserFactory(name=CANARY, email=f"{CANARY}@home.example", password=CANARY)
    token = issue_tokens(person).access
    if crash:
        monkeypatch.setattr("rest_framework.views.APIView.check_permissions", _crash)
    calls = CALLS[::6] if crash else CALLS  # tracebacks are slow to write
    for call in calls:
        parts = PARTS | ({"id": user.pk} if "hold" not in call.path else {"id": _NO_HOLD})
        for bearer, names in ((token, SHAPES.get(call.path, ())), (CANARY, tuple(BODY))):
            client = APIClient(raise_request_exception=False)
            client.credentials(
                HTTP_AUTHORIZATION=f"Bearer {bearer}", HTTP_USER_AGENT=CANARY, HTTP_X_CANARY=CANARY
            )
            call.by(client, {name: BODY[name] for name in names}, **parts)
            client.get(f"{call.path.format(**parts)}?search={CANARY}&page={CANARY}")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) >= 4 * len(calls)
    assert any("Traceback" in line.get("exception", "") for line in lines) == crash
    assert [line for line in lines if not line.get("request_id")] == []
    assert CANARY not in log.getvalue()
    assert token not in log.getvalue()


_NO_HOLD = "00000000-0000-4000-8000-000000000000"


def _crash(*args: object) -> None:
    password = CANARY
    raise RuntimeError(f"no\nDETAIL:  Key (email)=({password}@example.com) exists.")
