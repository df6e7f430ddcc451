"""Middleware: request ids, slashes, caching, CORS, HEAD and size limits."""

from http import HTTPStatus
from io import BytesIO
from typing import Any

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.test import Client
from rest_framework.test import APIClient

pytestmark = pytest.mark.urls("tests.booking_site.urls")

CLIENT = "http://localhost:5173"


@pytest.mark.parametrize("path", ["/", "/livez", "/nothing", "/api/nothing", "/api/items/1"])
def test_a_valid_request_id_is_returned(api: APIClient, path: str) -> None:
    assert api.get(path, HTTP_X_REQUEST_ID="Trace-1.2_3")["X-Request-ID"] == "Trace-1.2_3"


@pytest.mark.parametrize("given", ["", " ", "a b", "a\tb", "<b>", "é", "x" * 129, 'a"b', "a,b"])
def test_an_invalid_request_id_is_replaced(api: APIClient, given: str) -> None:
    first = api.get("/api/items/1", HTTP_X_REQUEST_ID=given)["X-Request-ID"]
    second = api.get("/api/items/1", HTTP_X_REQUEST_ID=given)["X-Request-ID"]
    assert first != given
    assert len(first) == 32
    assert first != second


def test_a_trailing_slash_makes_no_difference(api: APIClient) -> None:
    assert api.get("/api/items/1/").json() == {"pk": 1}
    response = api.post("/api/echo/", {"show_id": 5, "name": "A"}, format="json")
    assert response.json() == {"name": "A"}


def test_links_of_a_list_have_no_trailing_slash(api: APIClient) -> None:
    assert "<http://testserver/api/numbers?page=1>" in api.get("/api/numbers/")["Link"]


def test_an_unchanged_read_is_304(api: APIClient) -> None:
    first = api.get("/api/items/1")
    etag = first["ETag"]
    assert etag.startswith('W/"')
    strong = etag.removeprefix("W/")
    for known in (etag, strong, "*", f'"other", {etag}', f'W/"a,b" ,{strong}'):
        again = api.get("/api/items/1", HTTP_IF_NONE_MATCH=known)
        assert again.status_code == 304
        assert again.content == b""
        for header in ("ETag", "Cache-Control", "Vary"):
            assert again[header] == first[header]
    for unknown in ('"other"', 'W/"other"', etag.strip('W/"'), "", "nonsense", '"'):
        assert api.get("/api/items/1", HTTP_IF_NONE_MATCH=unknown).status_code == 200
    assert api.get("/api/items/2", HTTP_IF_NONE_MATCH=etag).status_code == 200


def test_a_list_that_is_unchanged_still_has_its_links_and_its_total(api: APIClient) -> None:
    first = api.get("/api/numbers")
    again = api.get("/api/numbers", HTTP_IF_NONE_MATCH=first["ETag"])
    assert again.status_code == 304
    for header in ("Link", "X-Total-Count"):
        assert again[header] == first[header]


def test_a_read_may_be_cached_but_must_be_revalidated(api: APIClient) -> None:
    public = api.get("/api/items/1")
    assert public["Cache-Control"] == "public, no-cache"
    assert {name.strip().lower() for name in public["Vary"].split(",")} >= {
        "authorization",
        "origin",
    }
    private = api.get("/api/items/1", HTTP_AUTHORIZATION="Bearer x")
    assert private["Cache-Control"] == "private, no-cache"


def test_only_a_200_without_a_token_may_be_kept_by_the_proxy(api: APIClient) -> None:
    first = api.get("/api/items/1")
    assert first["X-Accel-Expires"] == "1"
    others = [
        api.get("/api/items/1", HTTP_AUTHORIZATION="Bearer x"),
        api.get("/api/items/1", HTTP_IF_NONE_MATCH=first["ETag"]),
        api.get("/api/nothing"),
        api.get("/api/holds/1"),
        api.post("/api/echo", {"show_id": 5}, format="json"),
    ]
    assert [response.status_code for response in others] == [200, 304, 404, 200, 200]
    assert not any("X-Accel-Expires" in response for response in others)


@pytest.mark.parametrize("path", ["/api/auth/secret/1", "/api/holds/1", "/api/holds/1/"])
def test_tokens_and_holds_are_never_cached(api: APIClient, path: str) -> None:
    response = api.get(path, HTTP_IF_NONE_MATCH="*")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert "ETag" not in response


def test_writes_and_errors_are_never_cached(api: APIClient) -> None:
    written = api.post("/api/echo", {"show_id": 5}, format="json")
    missing = api.get("/api/nothing", HTTP_IF_NONE_MATCH="*")
    assert (written.status_code, missing.status_code) == (200, 404)
    for response in (written, missing):
        assert response["Cache-Control"] == "no-store"
        assert "ETag" not in response


@pytest.mark.parametrize("path", ["/", "/livez", "/api/items/1", "/api/numbers", "/api/nothing"])
def test_head_is_get_without_the_body(api: APIClient, path: str) -> None:
    got, head = api.get(path), api.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    for header in ("Content-Type", "ETag", "Link", "X-Total-Count", "Cache-Control"):
        assert head.get(header) == got.get(header)
    if got.status_code == 200:  # a problem contains its request id, so its length may differ
        assert head["Content-Length"] == str(len(got.content))


TRACING = ("traceparent", "tracestate", "baggage", "sentry-trace")


@pytest.mark.parametrize(
    "origin",
    [f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (5173, 4173)],
)
def test_a_developers_client_can_call_the_api(api: APIClient, origin: str) -> None:
    assert api.get("/api/items/1", HTTP_ORIGIN=origin)["Access-Control-Allow-Origin"] == origin


def test_the_client_can_send_preflight_requests(api: APIClient) -> None:
    for path in ("/api/echo", "/api/echo/", "/api/nothing", "/api/auth/secret/1"):
        response = api.options(
            path,
            HTTP_ORIGIN=CLIENT,
            HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
            HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization,idempotency-key",
        )
        assert response.status_code == 200
        assert response["Access-Control-Allow-Origin"] == CLIENT
        assert response["X-Request-ID"]
        allowed = response["Access-Control-Allow-Headers"].split(", ")
        assert {
            "authorization",
            "cache-control",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "prefer",
            "x-request-id",
            "x-requested-with",
            *TRACING,
        } <= set(allowed)


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/catalog/movie/import/", "/", "/none"])
def test_a_form_over_2_mib_is_refused_unread(client: Client, path: str) -> None:
    largest = b"x" * (2 * 1024 * 1024)
    form = "application/octet-stream"
    headers = {"Accept": "text/html"}
    answer = client.post(path, largest + b"x", content_type=form, headers=headers)
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "2 MiB" in answer.text
    assert answer.wsgi_request._read_started is False
    answer = client.post(path, largest, content_type=form, headers=headers)
    assert answer.status_code != HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/items/1", {}, 200),
        ("/api/items/1", {"HTTP_IF_NONE_MATCH": "*"}, 304),
        ("/api/items/1", {"HTTP_ACCEPT": "text/html"}, 406),
        ("/api/items/1", {"HTTP_HOST": "evil.example"}, 400),
        ("/api/items/1", {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO()}, 411),
        ("/api/nothing", {}, 404),
        ("/api/refusing", {}, 409),
        ("/api/failing", {}, 500),
        ("/api/impatient?sqlstate=55P03", {}, 503),
    ],
)
def test_the_client_can_read_every_answer(
    api: APIClient, path: str, headers: dict[str, Any], status: int
) -> None:
    api.raise_request_exception = False
    response = api.get(path, HTTP_ORIGIN=CLIENT, **headers)
    assert response.status_code == status
    assert response["Access-Control-Allow-Origin"] == CLIENT
    exposed = response["Access-Control-Expose-Headers"].split(", ")
    assert set(exposed) == {
        "Date",
        "ETag",
        "Link",
        "RateLimit",
        "RateLimit-Policy",
        "X-Total-Count",
        "Retry-After",
        "Idempotency-Replayed",
        "Layout-Fingerprint",
        "X-Request-ID",
        "Location",
    }
    other = api.get(path, HTTP_ORIGIN="https://evil.example", **headers)
    assert "Access-Control-Allow-Origin" not in other


def test_the_api_skips_the_middleware_of_pages(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> HttpResponse:
        return HttpResponse(status=HTTPStatus.IM_A_TEAPOT)

    monkeypatch.setattr(SessionMiddleware, "process_request", refuse)
    assert api.get("/nothing").status_code == HTTPStatus.IM_A_TEAPOT
    assert api.get("/api/items/1").status_code == HTTPStatus.OK
    assert api.get("/api").status_code == HTTPStatus.OK
    assert api.get("/apiary").status_code == HTTPStatus.IM_A_TEAPOT


def test_an_address_of_the_api_is_redirected_to_https_too(api: APIClient, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = api.get("/api/items/1?a=b")
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/api/items/1?a=b")
    assert api.get("/api/items/1", secure=True).status_code == HTTPStatus.OK


def test_a_streamed_body_is_sent_whole_with_its_length(client: Client) -> None:
    response = client.get("/streaming")
    assert response.getvalue() == b"first,last"
    assert response["Content-Length"] == "10"
    head = client.head("/streaming")
    assert (head.getvalue(), head["Content-Length"]) == (b"", "10")


def test_a_streamed_body_that_breaks_off_is_an_error(client: Client) -> None:
    client.raise_request_exception = False
    response = client.get("/streaming?break")
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert b"first" not in response.content


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
def test_a_body_that_is_not_compressed_is_read(api: APIClient, coding: str) -> None:
    body = {"show_id": 5, "name": "A"}
    response = api.post("/api/echo", body, format="json", HTTP_CONTENT_ENCODING=coding)
    assert response.json() == {"name": "A"}


def test_the_answer_to_a_compressed_body_lists_the_accepted_codings(api: APIClient) -> None:
    response = api.post("/api/echo", {}, format="json", HTTP_CONTENT_ENCODING="gzip")
    assert (response.status_code, response["Accept-Encoding"]) == (415, "identity")
    assert api.get("/api/items/1", HTTP_CONTENT_ENCODING="gzip").status_code == 200
