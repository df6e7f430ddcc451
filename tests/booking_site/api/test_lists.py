"""Pages and filters."""

import re

import pytest
from rest_framework.test import APIClient

pytestmark = pytest.mark.urls("tests.booking_site.urls")


def links(header: str) -> dict[str, str]:
    return {rel: address for address, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', header)}


def test_a_list_is_a_bare_array_of_50_by_default(api: APIClient) -> None:
    response = api.get("/api/numbers")
    assert response.json() == list(range(1, 51))
    assert response["X-Total-Count"] == "1201"
    base = "http://testserver/api/numbers?page="
    assert links(response["Link"]) == {
        "first": f"{base}1",
        "next": f"{base}2",
        "last": f"{base}25",
    }


def test_following_next_reads_everything_once(api: APIClient) -> None:
    address, seen = "/api/numbers?page_size=400&colour=a%26b", []
    while address:
        response = api.get(address)
        seen += response.json()
        address = links(response["Link"]).get("next", "")
        assert not address or {"page_size=400", "colour=a%26b"} < set(re.split("[?&]", address))
    assert seen == list(range(1, 1202))


def test_a_page_past_the_end_is_empty_and_links_back(api: APIClient) -> None:
    for page in (26, 10**9):
        response = api.get("/api/numbers", {"page": page})
        assert response.json() == []
        assert response["X-Total-Count"] == "1201"
        assert links(response["Link"]).keys() == {"first", "prev", "last"}
        assert links(response["Link"])["prev"].endswith("page=25")


@pytest.mark.parametrize("name", ["page", "page_size"])
@pytest.mark.parametrize(
    "value",
    ["", "0", "-1", "1.5", "x", "1e2", " 1", "+1", "01", "٣", "9" * 5000, "1\x00", "1\n"],
)
def test_an_invalid_page_is_400(api: APIClient, name: str, value: str) -> None:
    response = api.get("/api/numbers", {name: value})
    assert response.status_code == 400
    assert response.json()["code"] == "validation_failed"
    assert list(response.json()["errors"]) == [name]


def test_the_error_of_a_page_size_gives_the_maximum(api: APIClient) -> None:
    response = api.get("/api/numbers", {"page_size": "501"})
    assert response.status_code == 400
    assert response.json()["errors"] == {"page_size": ["Enter a whole number from 1 to 500."]}


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("theatre", "5", "5"),
        ("theatre", str(2**53 - 1), str(2**53 - 1)),
        ("now_showing", "true", "True"),
        ("now_showing", "false", "False"),
        ("date", "2026-11-22", "2026-11-22"),
        ("since", "2026-11-22T18:30:00Z", "2026-11-22 18:30:00+00:00"),
        ("since", "2026-11-22T19:30:00+01:00", "2026-11-22 18:30:00+00:00"),
        ("search", "Ω & more", "Ω & more"),
    ],
)
def test_a_valid_filter_is_parsed(api: APIClient, name: str, value: str, read: str) -> None:
    assert api.get("/api/filtered", {name: value}).json() == {name: read}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theatre", "x"),
        ("theatre", "0"),
        ("theatre", "-1"),
        ("theatre", "5.0"),
        ("theatre", "\u0665"),
        ("theatre", "5\n"),
        ("theatre", "5\x00"),
        ("theatre", "9223372036854775808"),
        ("theatre", "9" * 5000),
        ("now_showing", "yes"),
        ("now_showing", "1"),
        ("now_showing", "TRUE"),
        ("date", "22.11.2026"),
        ("date", "2026-02-30"),
        ("date", "2026-11-22T00:00:00Z"),
        ("date", "0001-01-01"),
        ("date", "9999-12-31"),
        ("date", "2026-11-22\x00"),
        ("since", "2026-11-22"),
        ("since", "2026-11-22T18:30:00"),
        ("since", "2026-11-22T18:30:00 01:00"),
        ("since", "2026-11-22T25:30:00Z"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("since", "9999-12-31T23:59:59-14:00"),
        ("search", "a\x00b"),
        ("search", "x" * 201),
    ],
)
def test_an_invalid_filter_is_400(api: APIClient, name: str, value: str) -> None:
    response = api.get("/api/filtered", {name: value})
    assert response.status_code == 400
    assert response.json()["code"] == "validation_failed"
    assert list(response.json()["errors"]) == [name]


def test_unknown_parameters_are_ignored(api: APIClient) -> None:
    assert api.get("/api/filtered", {"utm_source": "mail", "theatre": ""}).json() == {}
