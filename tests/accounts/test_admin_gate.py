"""The back office: from which addresses, and with what besides a password."""

import re
from base64 import b32decode
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from tests.factories import UserFactory

PAGE = "/admin/second-factor/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def device(staff: User) -> TOTPDevice:
    return TOTPDevice.objects.create(user=staff, confirmed=True, name="Phone")


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    return f"{totp(device.bin_key, drift=steps):06}"


def send(office: Client, code: str) -> Any:
    return office.post(PAGE, {"code": code})


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
    for path in ("/admin/login/", PAGE, "/admin"):
        answer = client.get(path, REMOTE_ADDR=address, HTTP_ACCEPT="text/html", follow=True)
        assert answer.status_code == status
        assert (b"There is nothing at this address." in answer.content) == (status == 404)
    assert client.get("/api/movies", REMOTE_ADDR=address).status_code == 200


def test_an_address_is_not_believed_from_a_header(client: Client, settings: Any) -> None:
    settings.ADMIN_ALLOWED_ADDRESSES = [ip_network("10.1.0.0/16")]
    claimed = client.get("/admin/login/", REMOTE_ADDR="10.2.0.1", HTTP_X_FORWARDED_FOR="10.1.0.1")
    assert claimed.status_code == 404


def test_who_opens_the_login_page_itself_comes_to_the_first_page(client: Client) -> None:
    UserFactory(email="boss@example.com", password="long-and-secret-1", is_staff=True)
    form = {"username": "boss@example.com", "password": "long-and-secret-1"}
    answer = client.post("/admin/login/", form)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_optional_asks_nothing_of_who_has_none(office: Client) -> None:
    assert office.get("/admin/").status_code == 200


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_who_has_one_must_prove_it(
    office: Client, settings: Any, mode: str, device: TOTPDevice
) -> None:
    settings.ADMIN_SECOND_FACTOR = mode
    for path in ("/admin/", "/admin/accounts/user/", "/admin/catalog/movie/add/"):
        assert office.get(path)["Location"] == PAGE
        assert office.post(path)["Location"] == PAGE
    session = office.cookies["sessionid"].value
    assert b"second-factor-key" not in office.get(PAGE).content
    assert send(office, code_of(device))["Location"] == "/admin/"
    assert office.cookies["sessionid"].value != session
    assert office.get("/admin/").status_code == 200


def test_required_makes_everybody_set_one_up(office: Client, settings: Any, staff: User) -> None:
    settings.ADMIN_SECOND_FACTOR = "required"
    assert office.get("/admin/")["Location"] == PAGE
    page = office.get(PAGE).content.decode()
    assert office.get(PAGE).content.decode().count("<svg") >= 1
    found = re.search(r'id="second-factor-key">([A-Z2-7]+)<', page)
    assert found is not None
    key = b32decode(found[1])
    assert TOTPDevice.objects.get().bin_key == key
    assert not TOTPDevice.objects.get().confirmed
    assert send(office, f"{totp(key):06}")["Location"] == "/admin/"
    assert TOTPDevice.objects.get().confirmed
    assert office.get("/admin/").status_code == 200
    again = Client()
    again.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    assert again.get("/admin/")["Location"] == PAGE


def test_off_asks_nobody(office: Client, settings: Any, device: TOTPDevice) -> None:
    settings.ADMIN_SECOND_FACTOR = "off"
    assert office.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "-12345"]
)
def test_what_is_no_code_is_refused(office: Client, device: TOTPDevice, code: str) -> None:
    assert send(office, code).status_code == 200
    assert office.get("/admin/")["Location"] == PAGE


def test_a_code_is_good_once(office: Client, staff: User, device: TOTPDevice) -> None:
    code = code_of(device)
    assert send(office, code).status_code == 302
    second = Client()
    second.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    assert send(second, code).status_code == 200
    assert second.get("/admin/")["Location"] == PAGE


def test_guessing_codes_is_slowed_down(office: Client, device: TOTPDevice) -> None:
    wrong = f"{(int(code_of(device)) + 7) % 1_000_000:06}"
    assert send(office, wrong).status_code == 200
    # Now even the right one has to wait.
    assert send(office, code_of(device)).status_code == 200
    TOTPDevice.objects.update(throttling_failure_timestamp=timezone.now().replace(year=2020))
    assert send(office, code_of(device)).status_code == 302


def test_somebody_elses_code_proves_nothing(office: Client, device: TOTPDevice) -> None:
    other = TOTPDevice.objects.create(user=UserFactory(is_staff=True), confirmed=True, name="x")
    assert send(office, code_of(other)).status_code == 200
    assert office.get("/admin/")["Location"] == PAGE


def test_a_second_factor_is_turned_off_only_by_who_proved_it(
    office: Client, staff: User, device: TOTPDevice
) -> None:
    office.post(PAGE, {})
    assert TOTPDevice.objects.filter(confirmed=True).exists()
    send(office, code_of(device))
    assert b"Turn it off" in office.get(PAGE).content
    assert office.post(PAGE).status_code == 302
    assert not TOTPDevice.objects.filter(confirmed=True).exists()


def test_a_device_that_is_deleted_ends_what_it_proved(
    office: Client, settings: Any, device: TOTPDevice
) -> None:
    settings.ADMIN_SECOND_FACTOR = "required"
    send(office, code_of(device))
    assert office.get("/admin/").status_code == 200
    device.delete()
    assert office.get("/admin/")["Location"] == PAGE


def test_customers_do_not_see_the_page(client: Client, user: User) -> None:
    assert "/admin/login/" in client.get(PAGE)["Location"]
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert "/admin/login/" in client.get(PAGE)["Location"]


def test_the_list_of_second_factors_shows_no_key(office: Client, staff: User) -> None:
    other = TOTPDevice.objects.create(user=UserFactory(is_staff=True), confirmed=True, name="x")
    for path in ("/admin/otp_totp/totpdevice/", f"/admin/otp_totp/totpdevice/{other.pk}/change/"):
        answer = office.get(path)
        assert answer.status_code == 200
        assert other.key not in answer.content.decode()
        assert other.user.email in answer.content.decode()


def test_logging_out_is_possible_before_the_proof(office: Client, device: TOTPDevice) -> None:
    office.post("/admin/logout/")
    assert "/admin/login/" in office.get("/admin/")["Location"]
