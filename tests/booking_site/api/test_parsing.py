"""Request bodies that the API accepts, and those that it refuses."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from booking_site.api.parsing import InvalidJSON, parse_object

pytestmark = pytest.mark.urls("tests.booking_site.urls")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"text"',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": 1, "\\u0061": 1}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": -1e400}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a": ' * 10_000 + b"1" + b"}" * 10_000,
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": ["\\udc00\\ud800"]}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\u0000"}',
        b'{"a": "\x00"}',
        b'{"\\u0000": 1}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1}{"b": 2}',
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": 1,}',
    ],
)
def test_anything_but_one_valid_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidJSON):
        parse_object(raw)


def test_a_valid_object_is_returned_unchanged() -> None:
    value = {"a": [1, 2.5, True, None, {"b": "Ω 🎬 \u2028"}], "e": ""}
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "show_id"),
        ({"show_id": None}, "show_id"),
        ({"show_id": "5"}, "show_id"),
        ({"show_id": 5.0}, "show_id"),
        ({"show_id": True}, "show_id"),
        ({"show_id": [5]}, "show_id"),
        ({"show_id": 0}, "show_id"),
        ({"show_id": -1}, "show_id"),
        ({"show_id": 2**53}, "show_id"),
        ({"show_id": 5, "seat_ids": 7}, "seat_ids"),
        ({"show_id": 5, "seat_ids": "7"}, "seat_ids"),
        ({"show_id": 5, "seat_ids": {"0": 7}}, "seat_ids"),
        ({"show_id": 5, "seat_ids": [7, "8"]}, "seat_ids.1"),
        ({"show_id": 5, "name": 7}, "name"),
        ({"show_id": 5, "name": True}, "name"),
        ({"show_id": 5, "email": 7}, "email"),
        ({"show_id": 5, "email": "nobody"}, "email"),
        ({"show_id": 5, "hold_id": 7}, "hold_id"),
        ({"show_id": 5, "hold_id": "7"}, "hold_id"),
        ({"show_id": 5, "hold_id": "0" * 32}, "hold_id"),
        ({"show_id": 5, "accessible": "true"}, "accessible"),
        ({"show_id": 5, "accessible": 1}, "accessible"),
        ({"show_id": 5, "colour": "red"}, "colour"),
    ],
)
def test_a_field_of_the_wrong_shape_is_named(api: APIClient, body: Any, field: str) -> None:
    response = api.post("/api/echo", body, format="json")
    assert response.status_code == 400
    assert response.json()["code"] == "validation_failed"
    assert list(response.json()["errors"]) == [field]
    assert response.json()["message"].startswith(f"{field}: ")


def test_unknown_and_wrong_fields_are_named_together(api: APIClient) -> None:
    response = api.post("/api/echo", {"show_id": "5", "colour": "red"}, format="json")
    assert set(response.json()["errors"]) == {"show_id", "colour"}


def test_the_largest_id_is_accepted(api: APIClient) -> None:
    response = api.post("/api/echo", {"show_id": 2**53 - 1, "name": "Ω"}, format="json")
    assert response.json() == {"name": "Ω"}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/problem+json",
        "application/json; charset=latin-1",
        'application/json; charset="utf-16"',
        "application/*",
        "*/*",
        "nonsense",
    ],
)
def test_a_body_that_is_not_json_in_utf_8_is_415(api: APIClient, content_type: str) -> None:
    response = api.post("/api/echo", b'{"show_id": 5}', content_type=content_type)
    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"']
)
def test_the_content_type_may_name_utf_8(api: APIClient, content_type: str) -> None:
    assert api.post("/api/echo", b'{"show_id": 5}', content_type=content_type).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}", b" {} "])
def test_a_call_without_a_body_accepts_an_empty_one(api: APIClient, body: bytes) -> None:
    response = api.post("/api/bodiless", body, content_type="application/json")
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"[]", "invalid_json"), (b"null", "invalid_json"), (b'{"a": 1}', "validation_failed")],
)
def test_a_call_without_a_body_refuses_any_other(api: APIClient, body: bytes, code: str) -> None:
    response = api.post("/api/bodiless", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_a_required_body_without_a_length_is_411(api: APIClient) -> None:
    response = api.post("/api/echo")
    assert (response.status_code, response.json()["code"]) == (411, "length_required")


def test_a_body_over_64_kib_is_413(api: APIClient) -> None:
    longest = b'{"show_id": 5, "name": "%s"}'
    fits = longest % (b"x" * (64 * 1024 - len(longest) + 2))
    assert len(fits) == 64 * 1024
    assert api.post("/api/echo", fits, content_type="application/json").status_code == 200
    response = api.post("/api/echo", fits + b" ", content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
