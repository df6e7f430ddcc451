"""Two-factor authentication of staff: set up, verify, remove."""

import re
from base64 import b32decode
from collections.abc import Callable
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.oath import hotp, totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import audit
from accounts.models import User
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

PAGE = "/admin/second-factor/"
WRITES = ("INSERT", "UPDATE", "DELETE")

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(db: None) -> User:
    return UserFactory(password=PASSWORD, is_staff=True, is_superuser=True)


@pytest.fixture
def device(staff: User) -> TOTPDevice:
    return TOTPDevice.objects.create(user=staff, confirmed=True, name="Phone")


@pytest.fixture
def used_code(device: TOTPDevice) -> str:
    return code_of(device)


@pytest.fixture
def verified(office: Client, used_code: str) -> Client:
    """A session that has verified the device. The code of the next step is accepted, too."""
    assert verify(office, used_code).status_code == 302
    return office


def code_of(device: TOTPDevice) -> str:
    return f"{totp(device.bin_key):06}"


def next_code_of(device: TOTPDevice) -> str:
    """Return the code after the last one used, which is valid though the clock has moved on."""
    device.refresh_from_db()
    return f"{hotp(device.bin_key, device.last_t + 1):06}"


def verify(office: Client, code: str) -> Any:
    return office.post(PAGE, {"action": "verify", "code": code})


def remove(office: Client, code: str) -> Any:
    return office.post(PAGE, {"action": "remove", "code": code})


def ask_to_start(office: Client, password: str = PASSWORD) -> Any:
    return office.post(PAGE, {"action": "start", "password": password})


def start(office: Client) -> str:
    """Start the set-up and return the key of the page as a hexadecimal string."""
    assert ask_to_start(office).status_code == 302
    key = shown_key(office)
    assert key is not None
    return key


def shown_key(office: Client) -> str | None:
    found = re.search(r'id="second-factor-key">([A-Z2-7]+)<', office.get(PAGE).content.decode())
    return b32decode(found[1]).hex() if found else None


def code_of_key(key: str) -> str:
    return f"{totp(bytes.fromhex(key)):06}"


def another_session(staff: User) -> Client:
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


def audited(staff: User) -> list[str]:
    return [entry.action for entry in audit.history_of(staff)]


def test_an_optional_second_factor_is_not_demanded_without_a_device(office: Client) -> None:
    assert office.get("/admin/").status_code == 200


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_staff_with_a_device_must_verify_it(
    office: Client, settings: Any, mode: str, device: TOTPDevice
) -> None:
    settings.ADMIN_SECOND_FACTOR = mode
    for path in ("/admin/", "/admin/accounts/user/", "/admin/catalog/movie/add/"):
        assert office.get(path)["Location"] == PAGE
        assert office.post(path)["Location"] == PAGE
    session = office.cookies["sessionid"].value
    assert b"second-factor-key" not in office.get(PAGE).content
    assert verify(office, code_of(device))["Location"] == "/admin/"
    assert office.cookies["sessionid"].value != session
    assert office.get("/admin/").status_code == 200


def test_a_required_second_factor_must_be_set_up(
    office: Client, settings: Any, staff: User
) -> None:
    settings.ADMIN_SECOND_FACTOR = "required"
    assert office.get("/admin/")["Location"] == PAGE
    key = start(office)
    assert not TOTPDevice.objects.exists()
    assert "<svg" in office.get(PAGE).content.decode()
    assert verify(office, code_of_key(key))["Location"] == "/admin/"
    device = TOTPDevice.objects.get()
    assert (device.key, device.confirmed) == (key, True)
    assert audited(staff) == ["second_factor_added"]
    assert office.get("/admin/").status_code == 200
    assert another_session(staff).get("/admin/")["Location"] == PAGE


def test_opening_the_page_writes_nothing(office: Client, staff: User) -> None:
    def writes() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert office.get(PAGE).status_code == 200
        return [q["sql"] for q in queries.captured_queries if q["sql"].startswith(WRITES)]

    assert writes() == []
    assert not TOTPDevice.objects.exists()
    key = start(office)
    assert writes() == []
    verify(office, code_of_key(key))
    assert writes() == []
    office.cookies.clear()
    office.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    assert writes() == []


def test_only_the_session_that_started_the_set_up_sees_the_key(office: Client, staff: User) -> None:
    """Otherwise a thief of the password alone could know the key of a later set-up."""
    thief = another_session(staff)
    stolen = start(thief)
    assert shown_key(office) is None
    key = start(office)
    assert key != stolen
    assert shown_key(thief) == stolen
    assert verify(office, code_of_key(stolen)).status_code == 200
    assert verify(office, code_of_key(key)).status_code == 302
    assert verify(thief, code_of_key(stolen)).status_code == 200
    assert TOTPDevice.objects.get().key == key


@pytest.mark.django_db(transaction=True)
def test_two_sessions_do_not_confirm_two_devices(
    office: Client, staff: User, race: Callable[..., list[Any]]
) -> None:
    sessions = [office, another_session(staff)]
    codes = [code_of_key(start(session)) for session in sessions]
    answers = race(
        [
            lambda session=session, code=code: verify(session, code).status_code
            for session, code in zip(sessions, codes, strict=True)
        ]
    )
    assert sorted(answers) == [200, 302]
    assert TOTPDevice.objects.count() == 1


def test_setting_up_asks_for_the_password(office: Client, staff: User) -> None:
    for form in ({}, {"password": ""}, {"password": "six swans asleep"}):
        assert office.post(PAGE, {"action": "start"} | form).status_code == 200
        assert shown_key(office) is None


def test_wrong_passwords_during_set_up_count_as_failed_logins(
    office: Client, settings: Any, staff: User
) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    assert ask_to_start(office, "six swans asleep").status_code == 200
    assert AccessAttempt.objects.get().username == staff.email
    assert ask_to_start(office, "six swans asleep").status_code == 429
    assert ask_to_start(office).status_code == 429
    assert shown_key(office) is None


def test_a_correct_password_resets_the_count(office: Client, staff: User) -> None:
    ask_to_start(office, "six swans asleep")
    start(office)
    assert not AccessAttempt.objects.exists()


def test_a_new_password_discards_a_pending_key(office: Client, staff: User) -> None:
    key = start(office)
    new = {"new_password1": "nine newts under stones", "new_password2": "nine newts under stones"}
    changed = office.post("/admin/password_change/", {"old_password": PASSWORD} | new)
    assert changed.status_code == 302
    assert shown_key(office) is None
    assert verify(office, code_of_key(key)).status_code == 200
    assert not TOTPDevice.objects.exists()


def test_a_confirmed_key_is_not_shown_again(office: Client) -> None:
    key = start(office)
    verify(office, code_of_key(key))
    TOTPDevice.objects.all().delete()
    assert shown_key(office) is None


def test_a_started_set_up_does_not_replace_a_device(
    office: Client, staff: User, device: TOTPDevice
) -> None:
    ask_to_start(office)
    assert shown_key(office) is None
    other = another_session(staff)
    TOTPDevice.objects.update(confirmed=False)
    key = start(other)
    TOTPDevice.objects.update(confirmed=True)
    assert verify(other, code_of_key(key)).status_code == 200
    assert TOTPDevice.objects.get() == device


def test_a_second_factor_that_is_off_is_not_demanded(
    office: Client, settings: Any, device: TOTPDevice
) -> None:
    settings.ADMIN_SECOND_FACTOR = "off"
    assert office.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "-12345"]
)
def test_a_malformed_code_is_refused(office: Client, device: TOTPDevice, code: str) -> None:
    assert verify(office, code).status_code == 200
    assert office.get("/admin/")["Location"] == PAGE


def test_a_code_works_once(office: Client, staff: User, device: TOTPDevice) -> None:
    code = code_of(device)
    assert verify(office, code).status_code == 302
    second = another_session(staff)
    assert verify(second, code).status_code == 200
    assert second.get("/admin/")["Location"] == PAGE


def test_guessing_codes_is_slowed_down(office: Client, device: TOTPDevice) -> None:
    wrong = f"{(int(code_of(device)) + 7) % 1_000_000:06}"
    assert verify(office, wrong).status_code == 200
    # Now even the right one has to wait.
    assert verify(office, code_of(device)).status_code == 200
    TOTPDevice.objects.update(throttling_failure_timestamp=timezone.now().replace(year=2020))
    assert verify(office, code_of(device)).status_code == 302


def test_the_code_of_another_user_is_refused(office: Client, device: TOTPDevice) -> None:
    other = TOTPDevice.objects.create(user=UserFactory(is_staff=True), confirmed=True, name="x")
    assert verify(office, code_of(other)).status_code == 200
    assert office.get("/admin/")["Location"] == PAGE


def test_verifying_renews_the_csrf_token(office: Client, device: TOTPDevice) -> None:
    office.get(PAGE)
    before = office.cookies["csrftoken"].value
    assert verify(office, code_of(device)).status_code == 302
    assert office.cookies["csrftoken"].value != before


def test_logging_in_renews_the_csrf_token(client: Client) -> None:
    UserFactory(email="boss@example.com", password="long-and-secret-1", is_staff=True)
    client.get("/admin/login/")
    before = client.cookies["csrftoken"].value
    form = {"username": "boss@example.com", "password": "long-and-secret-1"}
    assert client.post("/admin/login/", form).status_code == 302
    assert client.cookies["csrftoken"].value != before


def test_removing_needs_a_fresh_code_and_is_audited(
    verified: Client, staff: User, device: TOTPDevice
) -> None:
    assert verified.get("/admin/").status_code == 200
    assert remove(verified, next_code_of(device)).status_code == 302
    assert not TOTPDevice.objects.exists()
    assert audited(staff) == ["second_factor_removed"]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"action": "remove"},
        {"action": "remove", "code": "12345"},
        {"action": "verify"},
        {"action": "start"},
        {"action": "delete"},
        {"code": "{code}"},
        {"action": "remove", "code": "{used}"},
    ],
    ids=str,
)
def test_a_device_is_not_removed_without_a_fresh_code(
    verified: Client, staff: User, device: TOTPDevice, used_code: str, form: dict[str, str]
) -> None:
    codes = {"code": next_code_of(device), "used": used_code}
    verified.post(PAGE, {name: value.format(**codes) for name, value in form.items()})
    assert TOTPDevice.objects.get() == device
    assert audited(staff) == []


def test_only_a_verified_session_removes_the_device(
    office: Client, staff: User, device: TOTPDevice
) -> None:
    remove(office, code_of(device))
    assert TOTPDevice.objects.get() == device
    assert audited(staff) == []


def test_deleting_the_device_ends_the_verified_session(
    verified: Client, settings: Any, device: TOTPDevice
) -> None:
    settings.ADMIN_SECOND_FACTOR = "required"
    assert verified.get("/admin/").status_code == 200
    device.delete()
    assert verified.get("/admin/")["Location"] == PAGE


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


def test_logging_out_is_possible_before_the_code(office: Client, device: TOTPDevice) -> None:
    office.post("/admin/logout/")
    assert "/admin/login/" in office.get("/admin/")["Location"]
