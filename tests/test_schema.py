"""The description and the service agree: every operation, called in ways that nobody wrote down."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient
from schemathesis.specs.openapi import checks

from accounts.models import User
from accounts.tokens import issue_tokens
from tests.factories import UserFactory
from tests.web import database_url, gunicorn

pytestmark = pytest.mark.django_db

# What no schema can foretell of a body of the right shape.
REFUSALS = {"email_taken", "password_unfit", "password_wrong", "idempotency_key_invalid"}
# Which fields go together, and what makes a name, is said in words.
PROSE = {
    "POST /api/auth/register",
    "PATCH /api/auth/me",
    "POST /api/bookings",
    "POST /api/holds",
}


@pytest.fixture(scope="module")
def token(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock():
        token = issue_tokens(UserFactory()).access
    yield token
    with django_db_blocker.unblock():
        User.objects.all().delete()


@pytest.fixture(scope="module")
def described(
    token: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[schemathesis.BaseSchema]:
    environment = {f"THROTTLE_{name}": "" for name in ("REGISTER", "LOGIN", "HOLD", "BOOKING")}
    log = tmp_path_factory.mktemp("gunicorn") / "log"
    with gunicorn(log, DATABASE_URL=database_url(), **environment) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/api/schema")
    assert "Traceback" not in log.read_text()


def test_every_answer_is_as_described(
    described: schemathesis.BaseSchema, token: str, subtests: pytest.Subtests
) -> None:
    for result in described.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=10,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case: schemathesis.Case) -> None:
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            refused = response.status_code == 400 and response.json()["code"] in REFUSALS
            prose = case.operation.label in PROSE
            case.validate_response(
                response,
                excluded_checks=[checks.positive_data_acceptance] if refused or prose else [],
            )

        with subtests.test(operation.label):
            call()


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
