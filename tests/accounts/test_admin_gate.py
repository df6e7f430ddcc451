"""From which addresses the back office can be reached."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("address", "status"),
    [("10.1.2.3", 200), ("192.0.2.7", 200), ("10.2.0.1", 404), ("2001:db8::1", 200)],
)
def test_only_listed_addresses_see_the_back_office(
    client: Client, settings: Any, address: str, status: int
) -> None:
    settings.ADMIN_ALLOWED_ADDRESSES = [
        ip_network(each) for each in ("10.1.0.0/16", "192.0.2.7", "2001:db8::/32")
    ]
    for path in ("/admin/login/", "/admin/second-factor/", "/admin"):
        answer = client.get(path, REMOTE_ADDR=address, HTTP_ACCEPT="text/html", follow=True)
        assert answer.status_code == status
        assert (b"There is nothing at this address." in answer.content) == (status == 404)
    assert client.get("/api/movies", REMOTE_ADDR=address).status_code == 200


def test_a_forwarded_address_is_ignored_without_a_proxy(client: Client, settings: Any) -> None:
    settings.ADMIN_ALLOWED_ADDRESSES = [ip_network("10.1.0.0/16")]
    claimed = client.get("/admin/login/", REMOTE_ADDR="10.2.0.1", HTTP_X_FORWARDED_FOR="10.1.0.1")
    assert claimed.status_code == 404


def test_the_login_page_leads_to_the_dashboard(client: Client) -> None:
    UserFactory(email="boss@example.com", password="long-and-secret-1", is_staff=True)
    form = {"username": "boss@example.com", "password": "long-and-secret-1"}
    answer = client.post("/admin/login/", form)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
