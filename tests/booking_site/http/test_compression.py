"""Responses of the API are compressed for clients that accept it."""

import gzip

import brotli
import pytest
from rest_framework.test import APIClient

from booking_site.http.compression import MIN_LENGTH

pytestmark = pytest.mark.urls("tests.booking_site.urls")

LONG = "/api/numbers?page_size=500"
DECODERS = {"br": brotli.decompress, "gzip": gzip.decompress}


def body_of(response: object) -> bytes:
    content: bytes = response.content  # type: ignore[attr-defined]
    coding = response.headers.get("Content-Encoding")  # type: ignore[attr-defined]
    return DECODERS[coding](content) if coding else content


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("deflate, zstd", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, br;q=0", None),
        ("br;q=0, gzip;q=0.2", "gzip"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("gzip, *;q=0", "gzip"),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity;q=0, gzip", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("gzip ; Q = 0.8", "gzip"),
        ("gzip;q=2", None),
        ("gzip;q=nan", None),
        ("gzip;level=9", None),
        ("xgzip, gzipped", None),
        (", ;q=1,,", None),
    ],
)
def test_the_client_chooses_the_coding(
    api: APIClient, accepted: str | None, coding: str | None
) -> None:
    plain = api.get(LONG)
    headers = {} if accepted is None else {"HTTP_ACCEPT_ENCODING": accepted}
    response = api.get(LONG, **headers)  # type: ignore[arg-type]
    assert response.headers.get("Content-Encoding") == coding
    assert body_of(response) == plain.content
    assert response["Content-Length"] == str(len(response.content))
    assert (len(response.content) < len(plain.content)) == (coding is not None)


def test_caches_know_that_the_coding_depends_on_the_request(api: APIClient) -> None:
    for headers in ({}, {"HTTP_ACCEPT_ENCODING": "gzip"}):
        assert "Accept-Encoding" in api.get(LONG, **headers)["Vary"]  # type: ignore[arg-type]
        assert "Accept-Encoding" in api.get("/api/items/1", **headers)["Vary"]  # type: ignore[arg-type]


def test_all_codings_have_one_weak_etag_and_a_304_has_none(api: APIClient) -> None:
    responses = [api.get(LONG, HTTP_ACCEPT_ENCODING=each) for each in ("br", "gzip", "identity")]
    (etag,) = {response["ETag"] for response in responses}
    assert etag.startswith('W/"')
    for accepted in ("br", "gzip", "identity"):
        unchanged = api.get(LONG, HTTP_ACCEPT_ENCODING=accepted, HTTP_IF_NONE_MATCH=etag)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert "Content-Encoding" not in unchanged
        assert "Content-Length" not in unchanged
        assert "Accept-Encoding" in unchanged["Vary"]


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_head_has_the_headers_of_the_compressed_get(api: APIClient, coding: str) -> None:
    got = api.get(LONG, HTTP_ACCEPT_ENCODING=coding)
    head = api.head(LONG, HTTP_ACCEPT_ENCODING=coding)
    assert head.content == b""
    for name in ("Content-Encoding", "Content-Length", "Content-Type", "ETag", "Vary"):
        assert head[name] == got[name]


def test_only_bodies_of_one_kibibyte_and_more_are_compressed(api: APIClient) -> None:
    lengths = {}
    for size in range(150, 320):
        path = f"/api/numbers?page_size={size}"
        length = len(api.get(path).content)
        lengths[length] = "Content-Encoding" in api.get(path, HTTP_ACCEPT_ENCODING="gzip")
    assert {compressed for length, compressed in lengths.items() if length < MIN_LENGTH} == {False}
    assert {compressed for length, compressed in lengths.items() if length >= MIN_LENGTH} == {True}


@pytest.mark.parametrize("path", ["/api/auth/numbers", "/api/auth/numbers/"])
def test_responses_that_can_carry_tokens_are_not_compressed(api: APIClient, path: str) -> None:
    response = api.get(f"{path}?page_size=500", HTTP_ACCEPT_ENCODING="gzip, br")
    assert len(response.content) > MIN_LENGTH
    assert "Content-Encoding" not in response


def test_nothing_is_compressed_twice(api: APIClient) -> None:
    response = api.get("/api/encoded", HTTP_ACCEPT_ENCODING="gzip, br")
    assert response["Content-Encoding"] == "gzip"
    assert response.content == b"x" * 2000


def test_pictures_are_not_compressed(api: APIClient) -> None:
    assert "Content-Encoding" not in api.get("/api/picture", HTTP_ACCEPT_ENCODING="gzip, br")


def test_a_long_problem_document_is_compressed(api: APIClient) -> None:
    body = {f"field{number}": 1 for number in range(100)}
    response = api.post("/api/echo", body, format="json", HTTP_ACCEPT_ENCODING="gzip")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema?format=yaml", "/api/docs"])
def test_the_schema_and_its_page_are_compressed(api: APIClient, path: str) -> None:
    response = api.get(path, HTTP_ACCEPT_ENCODING="br")
    assert response["Content-Encoding"] == "br"
    assert body_of(response) == api.get(path).content
