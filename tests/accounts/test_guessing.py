"""Guessing the password of one account from many addresses is slowed, and known ones are not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessFailureLog
from django.db.models import F
from django.test import Client
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts import recovery
from accounts.links import reset_tokens
from accounts.models import KnownAddress, SlowedAccount, User
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

HOME, ELSEWHERE, THIRD = "203.0.113.7", "198.51.100.9", "198.51.100.10"
LENA = "lena@example.com"

LogIn = Callable[..., Response]


@pytest.fixture
def log_in(call: Callable[..., Response]) -> LogIn:
    def send(address: str, password: str = PASSWORD, email: str = LENA) -> Response:
        return call("login", {"email": email, "password": password}, REMOTE_ADDR=address)

    return send


def fail(times: int = 50, *, email: str = LENA, **ago: int) -> None:
    """Record failed logins from other addresses."""
    for number in range(times):
        AccessFailureLog.objects.create(username=email, ip_address=f"192.0.2.{number}")
    AccessFailureLog.objects.update(attempt_time=F("attempt_time") - timedelta(**ago))


def let_a_minute_pass() -> None:
    SlowedAccount.objects.update(tried_at=F("tried_at") - timedelta(minutes=1))


def test_unknown_addresses_share_one_attempt_per_minute_after_fifty_failures(
    person: User, log_in: LogIn
) -> None:
    guesses = [log_in(f"192.0.2.{number}", "wrong").status_code for number in range(52)]
    assert guesses == [401] * 51 + [429]  # one slowed attempt
    refused = log_in(ELSEWHERE)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert refused["Retry-After"] == "60"
    let_a_minute_pass()
    assert log_in(ELSEWHERE).status_code == 200
    assert log_in(THIRD).status_code == 429
    assert log_in(ELSEWHERE).status_code == 200  # known from now on


def test_a_known_address_is_not_slowed(person: User, log_in: LogIn) -> None:
    log_in(HOME)
    fail()
    log_in(ELSEWHERE, "wrong")
    assert [log_in(HOME, "wrong").status_code, log_in(HOME).status_code] == [401, 200]
    assert log_in(ELSEWHERE).status_code == 429


def test_an_address_is_unknown_90_days_after_its_last_login(person: User, log_in: LogIn) -> None:
    log_in(HOME)
    fail()
    log_in(ELSEWHERE, "wrong")
    KnownAddress.objects.update(last_login_at=timezone.now() - timedelta(days=90))
    assert log_in(HOME).status_code == 429


def test_an_address_is_known_to_the_account_that_logged_in_only(
    person: User, log_in: LogIn
) -> None:
    UserFactory(email="leo@example.com", password=PASSWORD)
    log_in(HOME, email="leo@example.com")
    fail()
    log_in(ELSEWHERE, "wrong")
    assert log_in(HOME).status_code == 429
    assert log_in(HOME, email="leo@example.com").status_code == 200


@pytest.mark.parametrize(("times", "ago"), [(49, {}), (50, {"hours": 24})])
def test_fewer_or_older_failures_slow_nobody(
    person: User, log_in: LogIn, times: int, ago: dict[str, int]
) -> None:
    fail(times, **ago)
    assert [log_in(address).status_code for address in (ELSEWHERE, THIRD)] == [200, 200]


def test_a_new_failure_is_counted_however_many_old_ones_are_stored(
    person: User, log_in: LogIn
) -> None:
    """Of more than 1,000, django-axes would delete the newest."""
    AccessFailureLog.objects.bulk_create(AccessFailureLog(username=LENA) for _ in range(1000))
    AccessFailureLog.objects.update(attempt_time=F("attempt_time") - timedelta(days=1))
    log_in(ELSEWHERE, "wrong")
    assert AccessFailureLog.objects.count() == 1001


def test_every_check_of_a_password_is_slowed(
    person: User, login: Callable[[User], APIClient], log_in: LogIn
) -> None:
    User.objects.filter(pk=person.pk).update(is_staff=True)
    fail()
    assert log_in(ELSEWHERE, "wrong").status_code == 401
    browser = Client(REMOTE_ADDR=THIRD)
    credentials = {"username": LENA, "password": PASSWORD}
    assert browser.post("/admin/login/", credentials).status_code == 429
    client = login(person)
    change = {"current_password": PASSWORD, "new_password": "seven seals in the bay"}
    for answer in (
        client.post("/api/auth/password/change", change, format="json", REMOTE_ADDR=THIRD),
        client.delete("/api/auth/me", {"password": PASSWORD}, format="json", REMOTE_ADDR=THIRD),
    ):
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")


def test_a_login_to_the_back_office_makes_the_address_known(log_in: LogIn, db: None) -> None:
    UserFactory(email=LENA, password=PASSWORD, is_staff=True)
    credentials = {"username": LENA, "password": PASSWORD}
    assert Client(REMOTE_ADDR=HOME).post("/admin/login/", credentials).status_code == 302
    fail()
    log_in(ELSEWHERE, "wrong")
    assert Client(REMOTE_ADDR=HOME).post("/admin/login/", credentials).status_code == 302
    assert Client(REMOTE_ADDR=THIRD).post("/admin/login/", credentials).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_one_of_sixteen_simultaneous_guesses_is_checked(
    race: Callable[..., list[Response]], log_in: LogIn
) -> None:
    UserFactory(email=LENA, password=PASSWORD)
    fail()
    answers = race(
        [lambda number=number: log_in(f"198.51.100.{number}", "wrong") for number in range(16)]
    )
    assert sorted(answer.status_code for answer in answers) == [401] + [429] * 15


def test_the_owner_is_warned_once_a_day(
    person: User, log_in: LogIn, posted: Callable[[], list[Any]]
) -> None:
    fail()
    log_in(ELSEWHERE, "wrong")
    (mail,) = posted()
    assert mail.to == [LENA]
    let_a_minute_pass()
    assert log_in(ELSEWHERE, "wrong").status_code == 401
    assert posted() == []
    let_a_minute_pass()
    SlowedAccount.objects.update(warned_at=F("warned_at") - timedelta(days=1))
    log_in(THIRD, "wrong")
    assert len(posted()) == 1


def test_an_address_without_an_account_is_slowed_alike_and_gets_no_mail(
    log_in: LogIn, posted: Callable[[], list[Any]], db: None
) -> None:
    fail(email="nobody@example.com")
    guesses = [log_in(each, email="nobody@example.com") for each in (ELSEWHERE, THIRD)]
    assert [guess.status_code for guess in guesses] == [401, 429]
    assert posted() == []


def test_a_new_password_ends_the_slowing(person: User, log_in: LogIn) -> None:
    fail()
    log_in(ELSEWHERE, "wrong")
    recovery.reset_password(
        uid=str(person.pk),
        reset_token=reset_tokens.make_token(person),
        new_password="seven seals in the bay",
    )
    for address in (ELSEWHERE, THIRD):
        assert log_in(address, "seven seals in the bay").status_code == 200


def test_a_new_password_set_by_staff_ends_the_slowing(
    person: User, office: Client, log_in: LogIn
) -> None:
    fail()
    log_in(ELSEWHERE, "wrong")
    new = {"password1": "seven seals in the bay", "password2": "seven seals in the bay"}
    office.post(f"/admin/accounts/user/{person.pk}/password/", new)
    for address in (ELSEWHERE, THIRD):
        assert log_in(address, "seven seals in the bay").status_code == 200


def test_guessing_is_slowed_without_redis(person: User, log_in: LogIn, without_redis: None) -> None:
    fail()
    assert [log_in(each, "wrong").status_code for each in (ELSEWHERE, THIRD)] == [401, 429]
