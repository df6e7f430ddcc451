"""The API responds as its schema describes, to generated requests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.api.openapi import views
from booking_site.api.openapi.problems import component_name, operations
from booking_site.api.openapi.values import COUNT, ID
from booking_site.api.problems import catalogue
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


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = APIClient().get("/api/schema", HTTP_ACCEPT="application/json").json()
    return document


def parts(node: Any, *path: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every object of a document with the path to it."""
    if isinstance(node, dict):
        yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for name, child in children:
        if isinstance(child, dict | list):
            yield from parts(child, *path, str(name))


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names) > 20
    assert not [path for path in document["paths"] if path.endswith("/")]
    for operation in operations(document):
        assert {"406", "500", "503"} <= set(operation["responses"])


def test_every_code_has_a_component_with_its_members(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    kinds = catalogue()
    listed = {code for operation in operations(document) for code in operation["x-problem-codes"]}
    known, any_text = schemas["ProblemCode"]["anyOf"]
    assert set(known["enum"]) == listed
    assert any_text == {"type": "string"}
    for code in listed:
        own = schemas[component_name(code)]["allOf"][-1]
        assert own["properties"]["code"]["enum"] == [code]
        assert set(own["required"]) == {"code", *kinds[code].members}
    assert set(schemas["SingleSeatGapProblem"]["allOf"][-1]["properties"]) == {
        "code",
        "seat_ids",
        "alternatives",
    }


def test_every_error_response_also_allows_codes_of_the_future(document: dict[str, Any]) -> None:
    shared = document["components"]["responses"]
    assert len(shared) > 10
    for operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "400":
                continue
            if "$ref" in response:
                response = shared[response["$ref"].rpartition("/")[2]]
            schema = response["content"]["application/problem+json"]["schema"]
            *_, last = schema["anyOf"]
            assert last == {"$ref": "#/components/schemas/Problem"}


def test_javascript_can_represent_every_id(document: dict[str, Any]) -> None:
    ids = [
        (path, part)
        for path, part in parts(document)
        if part.get("type") == "integer" and part.get("format") == "int64"
    ]
    assert len(ids) > 30
    for path, part in ids:
        assert (part["minimum"], part["maximum"]) == (1, 2**53 - 1), path
    for path, part in parts(document["components"]["schemas"]):
        if part.get("type") == "integer" and (path[-1] == "id" or path[-1].endswith("_id")):
            assert part["format"] == "int64", path


def test_names_are_those_of_the_things_described(document: dict[str, Any]) -> None:
    names = document["components"]["schemas"]
    assert {"BookingRequest", "HoldRequest", "MovieList"} <= set(names)
    generated = ("RequestRequest", "Paginated", "Enum")
    assert not [name for name in names if any(part in name for part in generated)]


def test_docstrings_for_developers_are_not_published(document: dict[str, Any]) -> None:
    text = json.dumps(document, ensure_ascii=False)
    views = {
        route.callback.cls
        for pattern in get_resolver().url_patterns
        for route in getattr(pattern, "url_patterns", [pattern])
        if hasattr(route.callback, "cls")
    }
    docstrings = {view.__doc__.strip().partition("\n")[0] for view in views if view.__doc__}
    assert len(docstrings) >= 3
    assert not [docstring for docstring in docstrings if docstring in text]
    assert "bookings.seat_map" not in text
    assert document["components"]["schemas"]["Show"]["description"] == "One screening of a movie."


def test_there_is_one_security_scheme_and_public_reads_need_no_token(
    document: dict[str, Any],
) -> None:
    assert list(document["components"]["securitySchemes"]) == ["bearer"]
    security = {
        operation["operationId"]: operation["security"] for operation in operations(document)
    }
    assert security["movies_list"] == security["show_seats_list"] == [{"bearer": []}, {}]
    assert security["bookings_create"] == [{"bearer": []}]
    assert security["auth_login"] == [{}]


def test_a_hold_that_replaces_another_is_described_beside_a_new_one(
    document: dict[str, Any],
) -> None:
    responses = document["paths"]["/api/holds"]["post"]["responses"]
    for status in ("200", "201"):
        assert responses[status]["content"]["application/json"]["schema"] == {
            "$ref": "#/components/schemas/Hold"
        }
        assert "Location" in responses[status]["headers"]
    assert responses["200"]["description"] != responses["201"]["description"]


@pytest.mark.parametrize("kind", ["application/json", "application/yaml"])
def test_parameters_of_an_accepted_type_do_not_count(api: APIClient, kind: str) -> None:
    answer = api.get("/api/schema", headers={"accept": f"{kind}; charset=utf-8"})
    assert answer["Content-Type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("accept", ["application/yaml", "application/json", "text/html", "*/*"])
def test_the_parameter_format_overrides_accept(api: APIClient, accept: str) -> None:
    for name, kind in (("json", "application/json"), ("yaml", "application/yaml")):
        answer = api.get(f"/api/schema?format={name}", headers={"accept": accept})
        assert answer["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer["Content-Disposition"].endswith(f'.{name}"')
    assert api.get("/api/schema?format=json").json()["openapi"]
    unchanged = api.get("/api/schema?format=", headers={"accept": "application/json"})
    assert unchanged["Content-Type"] == "application/json; charset=utf-8"


def test_generating_the_schema_again_changes_nothing(document: dict[str, Any]) -> None:
    views._documents.clear()
    again = APIClient().get("/api/schema", HTTP_ACCEPT="application/json").json()
    assert again == document
    assert "description" not in COUNT | ID


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
