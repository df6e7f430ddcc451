"""Unknown query parameters are refused on every operation, and OPTIONS lists its methods."""

from typing import Any

import pytest
from django.urls import resolve
from rest_framework.test import APIClient

from booking_site.api.operations import MAX_REPORTED, handlers, known_parameters

pytestmark = pytest.mark.django_db

# A value for each parameter of a path.
IDS = {
    "id": "1",
    "movie_id": "1",
    "theatre_id": "1",
    "show_id": "1",
    "reference": "K7Q4-9XWD",
}
HOLD = {"id": "0b6f0ad8-97ac-4bf7-8d2c-3b0a4f6e9d10"}
HTTP_METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, address and description of every operation."""
    document = APIClient().get("/api/schema?format=json").json()
    return [
        (method, path.format(**(HOLD if path.startswith("/api/holds") else IDS)), described)
        for path, item in document["paths"].items()
        for method, described in item.items()
        if method in HTTP_METHODS
    ]


def refusal(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 400
    problem = response.json()
    assert problem["code"] == "validation_failed"
    errors: dict[str, list[str]] = problem["errors"]
    return errors


def test_every_operation_refuses_an_unknown_parameter(
    api: APIClient, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    assert len(operations) > 30
    for method, path, _ in operations:
        for body in ({}, None):
            response = getattr(api, method)(f"{path}?xyzzy=1", body, format="json")
            assert list(refusal(response)) == ["xyzzy"], (method, path, body)


def test_the_known_parameters_are_those_of_the_schema(
    operations: list[tuple[str, str, dict[str, Any]]],
) -> None:
    for method, path, operation in operations:
        described = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        view = resolve(path).func
        known = known_parameters(view.cls, handlers(view)[method.upper()])  # type: ignore[attr-defined]
        assert known == described, (method, path)


@pytest.mark.parametrize(
    ("address", "unknown", "named"),
    [
        ("/api/movies?serach=dune", "serach", "search"),
        ("/api/movies?Search=dune", "Search", "search"),
        ("/api/movies?serach=", "serach", "search"),
        ("/api/movies?serach", "serach", "search"),
        ("/api/movies/?serach=dune", "serach", "search"),
        ("/api/shows?fron=2026-11-22T18:30:00Z", "fron", "from"),
        ("/api/shows?pagesize=5", "pagesize", "page_size"),
        ("/api/theatres?search=rex", "search", "page, page_size"),
        ("/api/schema?formt=json", "formt", "format"),
    ],
)
def test_the_nearest_parameter_is_named(
    api: APIClient, address: str, unknown: str, named: str
) -> None:
    ((name, sentences),) = refusal(api.get(address)).items()
    assert name == unknown
    assert named in sentences[0]
    assert f"“{named}”" in sentences[0] or "," in named
    assert api.head(address).status_code == 400


def test_an_operation_without_parameters_says_so(api: APIClient) -> None:
    errors = refusal(api.get("/api/movies/1?page=1"))
    assert errors == {"page": ["Unknown parameter: this address has none."]}


def test_a_known_parameter_without_a_value_is_ignored(api: APIClient) -> None:
    for address in ("/api/movies?search=&genre=&theatre=", "/api/shows?from=&include_past="):
        assert api.get(address).status_code == 200


def test_a_parameter_without_a_name_is_refused(api: APIClient) -> None:
    assert refusal(api.get("/api/movies?=5"))


def test_few_of_many_unknown_parameters_are_named(api: APIClient) -> None:
    many = "&".join(f"x{number}" for number in range(1000))
    assert len(refusal(api.get(f"/api/movies?search=a&{many}"))) == MAX_REPORTED
    assert list(refusal(api.get(f"/api/movies?{'x' * 8000}"))) == ["x" * 8000]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api?utm_source=mail", 200),
        ("/api/docs?utm_source=mail", 200),
        ("/api/docs/errors?utm_source=mail", 200),
        ("/?utm_source=mail", 200),
        ("/livez?probe=1", 200),
        ("/api/nothing?serach=1", 404),
        ("/api/auth/login?serach=1", 405),
    ],
)
def test_pages_and_addresses_without_an_operation_ignore_parameters(
    api: APIClient, address: str, status: int
) -> None:
    assert api.get(address).status_code == status


def test_a_refused_write_changes_nothing(customer: APIClient) -> None:
    refusal(customer.patch("/api/auth/me?dry_run=true", {"name": "Grace"}, format="json"))
    assert customer.get("/api/auth/me").json()["name"] != "Grace"


# OPTIONS


def test_a_plain_options_lists_the_methods(
    api: APIClient, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    paths = {path for _, path, _ in operations}
    for path in [*paths, "/api", "/api/docs", "/api/schema", "/api/docs/errors"]:
        response = api.options(path)
        assert (response.status_code, response.content) == (204, b"")
        assert "Content-Type" not in response
        allowed = set(response["Allow"].split(", "))
        assert allowed == set(api.generic("BREW", path)["Allow"].split(", "))
        assert {m.upper() for m, p, _ in operations if p == path} <= allowed
    assert api.options("/api/nothing").status_code == 404


def test_options_from_another_origin_can_be_read(api: APIClient) -> None:
    response = api.options("/api/movies?serach=1", HTTP_ORIGIN="http://localhost:5173")
    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "http://localhost:5173"


# The root of the API


@pytest.mark.parametrize("address", ["/api", "/api/"])
def test_the_root_leads_to_the_docs(api: APIClient, address: str) -> None:
    links = api.get(address)
    assert links.json()["links"]["docs"] == "/api/docs"
    page = api.get(address, HTTP_ACCEPT="text/html,*/*;q=0.8")
    assert (page.status_code, page["Location"]) == (302, "/api/docs")
    assert "Accept" in links["Vary"]
    assert "Accept" in page["Vary"]
    assert api.post(address).status_code == 405
