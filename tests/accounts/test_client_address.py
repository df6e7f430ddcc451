"""The address of a client, behind proxies or not."""

import pytest
from django.test import RequestFactory

from accounts.client_address import client_address


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "expected"),
    [
        (0, "203.0.113.7", None, "203.0.113.7"),
        (0, "203.0.113.7", "198.51.100.9", "203.0.113.7"),
        (1, "10.0.0.1", "198.51.100.9", "198.51.100.9"),
        (1, "10.0.0.1", "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        (2, "10.0.0.1", "1.1.1.1, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
        (2, "10.0.0.1", "198.51.100.9", "198.51.100.9"),
        (1, "10.0.0.1", None, "10.0.0.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (1, "10.0.0.1", "unknown", "10.0.0.1"),
        (1, "10.0.0.1", "1.1.1.1, ", "10.0.0.1"),
        (0, "", None, None),  # a unix socket has no address
        (0, "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::"),
        (0, "::ffff:203.0.113.7", None, "203.0.113.7"),
        (0, "fe80::1%eth0", None, "fe80::"),
    ],
)
def test_only_our_own_proxies_are_trusted(settings, proxies, peer, forwarded, expected):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=peer, **headers)
    assert client_address(request) == expected


def test_a_client_cannot_forge_the_address_of_its_failures(person, call):
    body = {"email": "lena@example.com", "password": "wrong"}
    answers = [call("login", body, HTTP_X_FORWARDED_FOR=f"10.0.0.{n}") for n in range(5)]
    assert answers[-1].status_code == 429


def test_failures_without_an_address_count_as_well(person, call):
    body = {"email": "lena@example.com", "password": "wrong"}
    answers = [call("login", body, REMOTE_ADDR="") for n in range(5)]
    assert answers[-1].status_code == 429
