"""The API responds as its schema describes, to generated requests."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.api.openapi import views
from booking_site.environment import RATES
from bookings.models import Booking, Hold
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import ROOT, database_url, web_server

# schemathesis sends more requests than one customer may.
NO_LIMITS = {
    **dict.fromkeys(RATES, ""),
    "MAX_HELD_SEATS_PER_USER": "1000000",
    **{f"LOGIN_FAILURES_PER_{name}": "1000000" for name in ("ACCOUNT", "ADDRESS")},
}


def how() -> list[str]:
    """Return how to call: the same each time, or for SCHEMATHESIS_SECONDS whatever comes up."""
    configuration = ROOT / "tests/schemathesis.toml"
    if seconds := os.environ.get("SCHEMATHESIS_SECONDS"):
        return ["--config-file", str(configuration), "run", f"--max-time={seconds}"]
    return ["--config-file", str(configuration), "run", "--generation-deterministic"]


# With ids from 1 on, which are tried first.
@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_every_answer_is_as_described(tmp_path: Path) -> None:
    make_seats(ShowFactory(), *["S" * 20] * 20)
    customer = UserFactory()
    log = tmp_path / "server"
    with web_server(log, DATABASE_URL=database_url(), **NO_LIMITS) as server:
        run = subprocess.run(
            [
                *[sys.executable, "-m", "schemathesis.cli"],
                *[*how(), "--no-color"],
                *["--header", f"Authorization: Bearer {issue_tokens(customer).access}"],
                f"http://127.0.0.1:{server.port}/api/schema",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Traceback" not in log.read_text()
    # Not only refusals were seen.
    assert User.objects.count() > 1
    assert Booking.objects.filter(user=customer).exists()
    assert Hold.objects.filter(user=customer).exists()


@pytest.mark.django_db
def test_every_operation_has_an_id_of_its_own(api: APIClient) -> None:
    document = api.get("/api/schema", HTTP_ACCEPT="application/json").json()
    operations = [
        operation
        for path in document["paths"].values()
        for method, operation in path.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) > 20
    assert not [path for path in document["paths"] if path.endswith("/")]
    for operation in operations:
        documented = set(operation["responses"])
        assert {"406", "500", "503"} <= documented
        assert operation["x-problem-codes"]


@pytest.mark.parametrize("kind", ["application/json", "application/yaml"])
def test_parameters_of_an_accepted_type_do_not_count(api: APIClient, kind: str) -> None:
    answer = api.get("/api/schema", headers={"accept": f"{kind}; charset=utf-8"})
    assert answer["Content-Type"] == f"{kind}; charset=utf-8"


def test_schema_is_generated_once_for_each_format(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    generate = SchemaGenerator.get_schema

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(views._LOCK.locked())  # its first use is not thread-safe
        return generate(*args, **kwargs)

    monkeypatch.setattr(SchemaGenerator, "get_schema", watched)
    views._documents.clear()
    for accept in ("application/vnd.oai.openapi+json", "application/json", "application/yaml"):
        first, second = (api.get("/api/schema", headers={"accept": accept}) for _ in range(2))
        assert first.content == second.content
        assert first["Content-Type"].startswith(accept)
    assert seen == [True] * 3
