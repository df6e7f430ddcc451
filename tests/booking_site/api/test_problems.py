"""Error responses and what is logged about them."""

import logging
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from django.db import InternalError, connection
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from booking_site.api.problems import (
    GENERAL,
    ProblemResponse,
    catalogue,
    unavailable_response,
)
from booking_site.observability import request_log
from booking_site.postgres.migrated import MIGRATED

pytestmark = pytest.mark.urls("tests.booking_site.urls")

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Capture what the site writes to stderr."""
    [handler] = [found for found in logging.getLogger().handlers if found.name == "stderr"]
    assert isinstance(handler, logging.StreamHandler)
    text = StringIO()
    before = handler.setStream(text)
    context = structlog.get_context(request_log.log)
    lines = structlog.wrap_logger(structlog.WriteLogger(text))
    monkeypatch.setattr(request_log, "log", lines.bind(**context))
    yield text
    handler.setStream(before)


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"/api/docs/errors#{code}"
    assert problem["title"]
    assert problem["message"] == problem["detail"]
    assert problem["message"].endswith((".", "!"))
    assert problem["request_id"] == response["X-Request-ID"]
    assert ("errors" in problem) == (status == 400)
    return problem


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api//",
        "/api/items",
        "/api/items/abc",
        "/api/items/-1",
        "/api/items/1.0",
        "/api/items/007",
        "/api/items/%D9%A5",
        f"/api/items/{2**53}",
        "/api/items/" + "9" * 5000,
        "/api/items/1%00",
        "/api/items/1%0A",
        "/api/items/%FF%FE",
        "/api/numbers//",
        "/api/%2e%2e/items/1",
    ],
)
def test_an_address_that_does_not_exist_is_a_problem(api: APIClient, path: str) -> None:
    assert_problem(api.get(path, HTTP_ACCEPT=BROWSER), 404, "not_found")


def test_the_largest_id_is_an_address(api: APIClient) -> None:
    assert api.get(f"/api/items/{2**53 - 1}").json() == {"pk": 2**53 - 1}


def test_405_lists_the_allowed_methods(api: APIClient) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "BREW"):
        response = api.generic(method, "/api/items/1")
        assert_problem(response, 405, "method_not_allowed")
        assert response["Allow"] == "GET, HEAD, OPTIONS"
    response = api.options("/api/items/1")
    assert (response.status_code, response["Allow"]) == (204, "GET, HEAD, OPTIONS")


def test_pages_that_only_read_refuse_other_methods(api: APIClient) -> None:
    for path in ("/", "/api/docs/errors", "/livez", "/readyz"):
        response = Client(enforce_csrf_checks=True).post(path)
        assert_problem(response, 405, "method_not_allowed")
        assert response["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "image/png",
        ";;;,/,=",
        "application/json;q=0",
        "application/json; charset=utf-8; q=0",
        "application/json;q=0, application/*;q=0.5, */*",
        "application/jsonp; charset=utf-8",
        "*/*;q=0",
    ],
)
def test_an_accept_header_without_a_supported_type_is_406(api: APIClient, accept: str) -> None:
    assert_problem(api.get("/api/items/1", HTTP_ACCEPT=accept), 406, "not_acceptable")


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/*",
        "application/json",
        "application/json; charset=utf-8",
        'APPLICATION/JSON;version=2 ; profile="a"',
        "application/*; v=1",
        "*/*; v=1",
        "text/html, application/json; charset=utf-8; q=0.1",
        BROWSER,
        "",
        " ",
        "text/html, application/json;q=0.1",
    ],
)
def test_json_is_returned_to_clients_that_accept_it(api: APIClient, accept: str) -> None:
    assert api.get("/api/items/1", HTTP_ACCEPT=accept).status_code == 200


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/", "text/html; charset=utf-8", "text/html"),
        ("/", "text/html; charset=utf-8; q=0.5, application/json; indent=4", "application/json"),
        ("/nothing", "text/html; charset=utf-8", "text/html"),
        ("/nothing", "application/problem+json; v=1", "application/problem+json"),
    ],
)
def test_parameters_of_accepted_types_do_not_count(
    api: APIClient, path: str, accept: str, kind: str
) -> None:
    assert api.get(path, HTTP_ACCEPT=accept)["Content-Type"].startswith(kind)


def test_a_domain_error_includes_its_facts(api: APIClient) -> None:
    response = api.get("/api/refusing")
    problem = assert_problem(response, 409, "seat_taken_in_test")
    assert problem["message"] == "Seat A1 is gone."
    assert problem["seat_ids"] == [1]
    assert response["Retry-After"] == "7"


def test_a_failure_is_logged_and_discloses_nothing(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.raise_request_exception = False
    response = client.get("/api/failing")
    assert_problem(response, 500, "internal_error")
    assert b"secret" not in response.content
    assert "an internal secret" in caplog.text


@pytest.mark.parametrize("path", ["/api/failing", "/failing"])
def test_a_failure_is_found_in_the_log_by_its_request_id(
    client: Client, log: StringIO, path: str
) -> None:
    client.raise_request_exception = False
    response = client.get(path, headers={"X-Request-ID": "find-me"})
    assert response["X-Request-ID"] == "find-me"
    assert b"Traceback" not in response.content
    [failure] = [line for line in log.getvalue().splitlines() if "django.request" in line]
    assert "find-me" in failure
    assert f"Internal Server Error: {path}" in failure
    assert log.getvalue().count("Traceback") == 1
    assert "RuntimeError: an internal secret" in log.getvalue()


def test_client_errors_do_not_fill_the_log(client: Client, log: StringIO) -> None:
    client.get("/nothing")
    client.get("/api/items/1", headers={"Host": "elsewhere.example"})
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert all("booking_site.requests" in line for line in lines)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sqlstate",
    ["55P03", "57014", "25P03", "25P04", "25006", "40001", "40P01", "53300", "57P01", "08006"],
)
def test_a_database_that_cannot_serve_in_time_is_503(api: APIClient, sqlstate: str) -> None:
    response = api.get("/api/impatient", {"sqlstate": sqlstate})
    assert_problem(response, 503, "busy")
    assert int(response["Retry-After"]) > 0


@pytest.mark.django_db
@pytest.mark.parametrize("sqlstate", ["42P01", "25P02", "22012", "23505"])
def test_a_bug_is_not_reported_as_a_busy_database(client: Client, sqlstate: str) -> None:
    client.raise_request_exception = False
    MIGRATED.set()  # the server has been ready
    assert_problem(client.get("/api/impatient", {"sqlstate": sqlstate}), 500, "internal_error")


def test_a_connection_that_a_pooler_ends_at_begin_is_503(rf: RequestFactory) -> None:
    """As psycopg reports it, whatever the two results of BEGIN are."""
    with pytest.raises(InternalError) as raised, connection.wrap_database_errors:
        raise psycopg.InternalError("received 2 results from command 'BEGIN'")
    response = unavailable_response(rf.get("/api/items"), raised.value)
    assert isinstance(response, ProblemResponse)
    assert (response.status_code, response.code) == (503, "busy")


def test_outside_the_api_a_browser_gets_a_page_and_others_a_problem(client: Client) -> None:
    client.raise_request_exception = False
    for path, status, code in (
        ("/nothing", 404, "not_found"),
        ("/failing", 500, "internal_error"),
        ("/impatient", 503, "busy"),
    ):
        assert_problem(client.get(path), status, code)
        page = client.get(path, HTTP_ACCEPT=BROWSER)
        assert page.status_code == status
        assert page["Content-Type"].startswith("text/html")
        assert page["X-Request-ID"] in page.content.decode()
        assert str(GENERAL[code].meaning) in page.content.decode()
        assert "secret" not in page.content.decode()


def test_a_form_without_its_csrf_token_gets_our_error_page() -> None:
    client = Client(enforce_csrf_checks=True)
    assert_problem(client.post("/admin/login/"), 403, "csrf_failed")
    page = client.post("/admin/login/", HTTP_ACCEPT=BROWSER)
    assert page.status_code == 403
    assert "This form has expired" in page.content.decode()


def test_a_foreign_host_is_a_problem(api: APIClient) -> None:
    response = api.get("/api/items/1", HTTP_HOST="evil.example")
    assert_problem(response, 400, "bad_request")


def test_too_many_parameters_are_a_problem(api: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
    query = "&".join(f"p{number}=1" for number in range(101))
    assert_problem(api.get(f"/api/numbers?{query}"), 400, "bad_request")


def test_every_code_has_a_sentence_and_is_documented(api: APIClient) -> None:
    page = api.get("/api/docs/errors").content.decode()  # loads every view, so every error
    documented = re.findall(r"^\| `(\w+)` \| (\d+) \|", Path("docs/errors.md").read_text(), re.M)
    known = {code: kind for code, kind in catalogue().items() if code != "seat_taken_in_test"}
    for code, kind in known.items():
        assert f'id="{code}"' in page
        assert kind.meaning.endswith("."), f"{code} needs a first docstring line that explains it"
    assert {code: int(status) for code, status in documented} == {
        code: kind.status.value for code, kind in known.items()
    }


def test_code_in_a_meaning_is_shown_as_code(api: APIClient) -> None:
    page = api.get("/api/docs/errors").content.decode()
    assert "The companion seats <code>seat_ids</code> are reserved for" in page
    assert "`" not in page


def test_the_type_of_a_problem_links_to_its_explanation(api: APIClient) -> None:
    address, _, anchor = api.get("/api/refusing").json()["type"].partition("#")
    page = api.get(address, HTTP_ACCEPT=BROWSER)
    assert page.status_code == 200
    assert f'id="{anchor}"' in page.content.decode()
