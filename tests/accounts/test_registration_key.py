"""POST /api/auth/register with an `Idempotency-Key`: a retry after a lost answer signs in."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessFailureLog
from django.core.management import call_command
from django.db.models import F
from rest_framework.response import Response

from accounts import services
from accounts.models import SignIn, User
from tests.accounts.conftest import PASSWORD

NEW = {"name": "Lena Lion", "email": "lena@example.com", "password": PASSWORD}
KEY = "5f6d9c1e-0d1c-4f0e-9f3a-2b6f3a1c7d11"
OTHER_PASSWORD = "nine newts under stones"

Register = Callable[..., Response]


@pytest.fixture
def register(db: None, call: Callable[..., Response]) -> Register:
    def send(key: str | None = KEY, **changes: Any) -> Response:
        headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
        return call("register", NEW | changes, **headers)

    return send


def is_taken(answer: Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (400, "email_taken")


def test_a_retry_with_the_same_key_gets_new_tokens(register: Register, call: Any) -> None:
    first, again = register(), register(name="Leo", email="LENA@example.com")
    assert (first.status_code, again.status_code) == (201, 201)
    same = ("id", "name", "email")
    assert [first.json()[name] for name in same] == [again.json()[name] for name in same]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert User.objects.count() == 1
    assert SignIn.objects.count() == 2
    for answer in (first, again):
        assert call("refresh", {"refresh": answer.json()["refresh"]}).status_code == 200


def test_a_retry_sends_no_second_mail(register: Register, posted: Any) -> None:
    register()
    register()
    assert len(posted()) == 1


@pytest.mark.parametrize("key", [None, "another", KEY.upper()])
def test_without_the_same_key_the_address_is_taken(register: Register, key: str | None) -> None:
    register()
    assert is_taken(register(key))
    assert SignIn.objects.count() == 1


def test_an_account_registered_without_a_key_has_none(register: Register) -> None:
    register(None)
    assert is_taken(register())
    assert User.objects.get().registration_key_hash is None


def test_another_address_with_the_same_key_is_another_account(register: Register) -> None:
    first, other = register(), register(email="leo@example.com")
    assert (other.status_code, "Idempotency-Replayed" in other) == (201, False)
    assert first.json()["id"] != other.json()["id"]


def test_another_password_is_refused_as_taken_and_counts_as_a_failed_login(
    register: Register, settings: Any
) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    register()
    assert is_taken(register(password=OTHER_PASSWORD))
    assert AccessFailureLog.objects.get().username == "lena@example.com"
    for answer in (register(password=OTHER_PASSWORD), register()):
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")


def test_without_the_key_no_password_is_checked(register: Register) -> None:
    register()
    for key in (None, "another"):
        register(key, password=OTHER_PASSWORD)
    assert not AccessFailureLog.objects.exists()


def test_retries_count_in_the_limit_on_registrations(register: Register, settings: Any) -> None:
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"register": "2/hour"},
    }
    assert [register().status_code for _ in range(3)] == [201, 201, 429]


@pytest.mark.parametrize(
    "change",
    [
        lambda user: User.objects.update(is_active=False),
        lambda user: User.objects.update(created_at=F("created_at") - timedelta(days=1)),
    ],
    ids=["inactive", "a day later"],
)
def test_the_key_works_for_a_day_while_the_user_is_active(
    register: Register, change: Callable[[User], object]
) -> None:
    register()
    change(User.objects.get())
    assert is_taken(register())
    assert SignIn.objects.count() == 1


@pytest.mark.parametrize("password", [PASSWORD, OTHER_PASSWORD])
def test_a_new_password_ends_the_key(register: Register, password: str) -> None:
    register()
    user = User.objects.get()
    user.set_password(OTHER_PASSWORD)
    services.save_password(user)
    assert is_taken(register(password=password))


def test_a_removed_user_has_no_key(register: Register) -> None:
    removed = register().json()["id"]
    services.remove_person(user_id=removed)
    assert User.objects.get().registration_key_hash is None
    answer = register()
    assert (answer.status_code, "Idempotency-Replayed" in answer) == (201, False)
    assert answer.json()["id"] != removed


def test_neither_the_key_nor_a_token_is_stored(register: Register) -> None:
    body = register().json()
    (row,) = User.objects.values()
    stored = " ".join(map(str, row.values()))
    assert not [secret for secret in (KEY, body["token"], body["refresh"]) if secret in stored]


@pytest.mark.parametrize("key", ["", "a,b", "a b", '"', "k" * 256])
def test_an_invalid_key_registers_nobody(register: Register, key: str) -> None:
    answer = register(key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_identical_simultaneous_requests_create_one_account(
    race: Callable[..., list[Response]], call: Any
) -> None:
    answers = race([lambda: call("register", NEW, HTTP_IDEMPOTENCY_KEY=KEY)] * 6)
    assert [answer.status_code for answer in answers] == [201] * 6
    assert sum("Idempotency-Replayed" not in answer for answer in answers) == 1
    assert len({answer.json()["id"] for answer in answers}) == User.objects.count() == 1


def test_hashes_of_keys_are_deleted_after_a_day(
    register: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        register(email=f"lena{number}@example.com")
    young = User.objects.latest("pk")
    old = User.objects.exclude(pk=young.pk)
    old.update(created_at=F("created_at") - services.REGISTRATION_KEY_LIFETIME)
    call_command("delete_old_rows", batch=2)
    assert "Deleted the hashes of 3 registration keys." in capsys.readouterr().out
    assert User.objects.exclude(registration_key_hash=None).get() == young
