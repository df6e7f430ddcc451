"""Security headers of each kind of response; tests/browser checks that pages still work."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.factories import UserFactory

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

pytestmark = pytest.mark.django_db


def policy(client: Client, path: str, **headers: str) -> dict[str, str]:
    answer = client.get(path, **headers)
    directives = answer["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


@pytest.mark.parametrize(
    "path", ["/api/movies", "/api/nothing", "/api/auth/me", "/livez", "/readyz", "/metrics", "/"]
)
def test_an_api_response_allows_nothing_in_a_browser(api: APIClient, path: str) -> None:
    answer = api.get(path, HTTP_ACCEPT="application/json")
    assert answer["Content-Security-Policy"] == NOTHING
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/docs/errors"])
def test_our_pages_allow_their_style_and_no_script(client: Client, path: str) -> None:
    allowed = policy(client, path, HTTP_ACCEPT="text/html")
    assert allowed["default-src"] == "'none'"
    assert allowed["frame-ancestors"] == "'none'"
    assert all(source.startswith("'sha256-") for source in allowed["style-src"].split())
    assert "script-src" not in allowed


def test_the_docs_run_only_scripts_of_this_site(client: Client) -> None:
    allowed = policy(client, "/api/docs", HTTP_ACCEPT="text/html")
    assert allowed["script-src"] == allowed["connect-src"] == "'self'"
    assert "unsafe" not in " ".join(allowed.values())


def test_the_docs_offer_the_demo_login_in_development_only(client: Client, settings: Any) -> None:
    assert "demo-login" in client.get("/api/docs").text
    settings.DEVELOPMENT = False
    page = client.get("/api/docs").text
    assert "swagger-ui" in page
    assert "demo-login" not in page
    assert "popcorn" not in page


def test_the_back_office_runs_only_scripts_of_this_site(office: Client) -> None:
    allowed = policy(office, "/admin/")
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == "'self' 'unsafe-eval'"
    assert allowed["frame-ancestors"] == "'none'"


def test_only_the_box_office_connects_to_the_live_process(office: Client, settings: Any) -> None:
    settings.LIVE_URL = "https://live.cinema.example"
    box_office = policy(office, "/admin/box-office/")
    other = policy(office, "/admin/")
    assert box_office.pop("connect-src") == "'self' https://live.cinema.example"
    assert other.pop("connect-src") == "'self'"
    assert box_office == other
    settings.LIVE_URL = ""
    assert policy(office, "/admin/box-office/")["connect-src"] == "'self'"


def test_a_304_does_not_replace_the_policy_of_the_page(client: Client) -> None:
    etag = client.get("/api/docs/errors")["ETag"]
    again = client.get("/api/docs/errors", HTTP_IF_NONE_MATCH=etag)
    assert (again.status_code, "Content-Security-Policy" in again) == (304, False)


@pytest.mark.parametrize("path", ["/", "/api/movies", "/api/nothing", "/admin/login/", "/livez"])
def test_every_response_forbids_embedding(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "geolocation=()" in answer["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/", "/api/movies", "/api/nothing", "/admin/login/"])
def test_the_headers_that_django_adds_are_sent(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_cookies_of_the_back_office_are_http_only_and_same_site(client: Client) -> None:
    person = UserFactory(is_staff=True, password="seven seals in the bay")
    form = {"username": person.email, "password": "seven seals in the bay"}
    client.get("/admin/login/")
    assert client.post("/admin/login/", form).status_code == 302
    for name in ("csrftoken", "sessionid"):
        cookie = client.cookies[name]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
