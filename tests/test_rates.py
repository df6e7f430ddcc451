"""Every address of the API has a rate limit."""

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver
from rest_framework.test import APIClient

from accounts.models import User

# A page without queries, made of the classes of errors.
WITHOUT_A_RATE = {"api/docs/errors"}
METHODS = ("get", "post", "put", "patch", "delete")

pytestmark = pytest.mark.django_db


def routes(resolver: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the routes of the site, each with its view."""
    for pattern in resolver.url_patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, path)
        else:
            yield path, pattern.callback


def calls() -> list[tuple[str, str]]:
    """Return method and address of every call of the API, with an id of each kind."""
    samples = {
        "<bigint:": "1",
        "<uuid:": "7a3ae6e1-0000-4000-8000-000000000001",
        "<reference:": "K7Q4-9XWD",
    }
    found = []
    for path, view in routes(get_resolver()):
        if not path.startswith("api/") or path in WITHOUT_A_RATE:
            continue
        for start, sample in samples.items():
            while start in path:
                before, _, rest = path.partition(start)
                path = before + sample + rest.partition(">")[2]
        methods = getattr(view, "actions", None) or [
            method for method in METHODS if hasattr(view.cls, method)
        ]
        found += [(method, f"/{path}") for method in methods if method in METHODS]
    return found


@pytest.mark.parametrize(("method", "path"), calls())
def test_every_call_is_limited(
    login: Callable[[User], APIClient], user: User, settings: Any, method: str, path: str
) -> None:
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {**dict.fromkeys(rates, "0/hour"), "mail": None},
    }
    answer = getattr(login(user), method)(path, {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert int(answer["Retry-After"]) >= 1
    exhausted = dict(re.findall(r'"(\w+)";r=0;t=(\d+)', answer["RateLimit"]))
    assert set(exhausted) == set(re.findall(r'"(\w+)";q=0;w=3600', answer["RateLimit-Policy"]))
    assert max(map(int, exhausted.values())) == int(answer["Retry-After"])


def test_calls_without_a_limit_of_their_own_are_limited_per_user(
    login: Callable[[User], APIClient], user: User, staff: User, settings: Any
) -> None:
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {
            **settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"],
            "call": "2/day",
        },
    }
    client, other = login(user), login(staff)
    paths = ("/api/bookings", "/api/auth/me", "/api/orders")
    assert [client.get(path).status_code for path in paths] == [200, 200, 429]
    assert other.get("/api/bookings").status_code == HTTPStatus.OK


def test_the_schema_describes_the_headers_of_every_limited_call(api: APIClient) -> None:
    schema = api.get("/api/schema", HTTP_ACCEPT="application/json").json()
    assert {"RateLimit", "RateLimit-Policy"} <= schema["components"]["headers"].keys()
    for operations in schema["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                if "$ref" in response:
                    shared = response["$ref"].rpartition("/")[2]
                    response = schema["components"]["responses"][shared]
                assert {"RateLimit", "RateLimit-Policy"} <= response["headers"].keys(), operation
