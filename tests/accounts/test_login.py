"""POST /api/auth/login, and the limits on guessing there and in the back office."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import hashers
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import SignIn, User
from accounts.tokens import AccessToken
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"
LOCK = 15 * 60  # seconds


@pytest.fixture
def log_in(call):
    def send(email="lena@example.com", password=PASSWORD, address=HERE, **headers):
        return call("login", {"email": email, "password": password}, REMOTE_ADDR=address, **headers)

    return send


def test_a_user_logs_in(person, log_in):
    answer = log_in()
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["id", "name", "email", "token", "expires_in", "refresh"]
    assert (body["id"], body["name"]) == (person.pk, "Lena Lion")
    assert AccessToken.read(body["token"]).user_id == person.pk
    assert answer["Cache-Control"] == "no-store"


def test_every_login_creates_a_sign_in(person, log_in):
    log_in(), log_in()
    assert SignIn.objects.filter(user=person, ended_at=None).count() == 2


def test_the_spelling_of_the_address_does_not_matter(person, log_in):
    assert log_in(email=" LENA@Example.com ").status_code == 200


def test_a_bad_token_does_not_matter(person, log_in):
    assert log_in(HTTP_AUTHORIZATION="Bearer nonsense").status_code == 200


def refusals(log_in):
    User.objects.create_user(
        name="I", email="inactive@example.com", password=PASSWORD, is_active=False
    )
    User.objects.create_user(name="N", email="nopassword@example.com")
    return {
        "unknown": lambda: log_in(email="nobody@example.com"),
        "wrong": lambda: log_in(password="wrong"),
        "inactive": lambda: log_in(email="inactive@example.com"),
        "without a password": lambda: log_in(email="nopassword@example.com"),
    }


def test_every_refusal_has_the_same_answer(person, log_in):
    answers = [refuse().json() for refuse in refusals(log_in).values()]
    for answer in answers:
        assert answer.pop("request_id")
        assert answer == answers[0]
    assert answers[0]["code"] == "invalid_credentials"
    assert answers[0]["status"] == 401


def test_every_refusal_hashes_once_and_runs_the_same_queries(person, log_in, monkeypatch):
    """Equal work takes equal time."""
    hashed = []
    encode, verify = hashers.get_hasher().encode, hashers.get_hasher().verify
    monkeypatch.setattr(
        hashers.get_hasher(), "encode", lambda *args: (hashed.append("encode"), encode(*args))[1]
    )
    monkeypatch.setattr(
        hashers.get_hasher(), "verify", lambda *args: (hashed.append("verify"), verify(*args))[1]
    )
    counts = set()
    for refuse in refusals(log_in).values():
        hashed.clear()
        with CaptureQueriesContext(connection) as queries:
            assert refuse().status_code == 401
        assert len(hashed) == 1
        counts.add(len(queries))
    assert len(counts) == 1


def test_a_login_takes_few_queries(person, log_in, django_assert_max_num_queries):
    # Three counts of failures, user, known address, savepoint, sign-in, release.
    with django_assert_max_num_queries(8):
        log_in()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "lena@example.com"},
        {"email": 5, "password": PASSWORD},
        {"email": "lena@example.com", "password": 5},
        {"email": "lena@example.com", "password": "x" * 1025},
        {"email": "lena@example.com", "password": PASSWORD, "remember": True},
    ],
)
def test_an_invalid_body_is_a_400_and_no_failed_login(person, call, body):
    assert call("login", body).status_code == 400
    assert not AccessAttempt.objects.exists()


def test_the_fifth_wrong_password_locks_this_address_out_of_this_account(person, log_in):
    answers = [log_in(password="wrong") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 429]
    for answer in (answers[-1], log_in()):
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert 1 <= int(answer["Retry-After"]) <= LOCK
        assert answer["Cache-Control"] == "no-store"


def test_nobody_can_lock_out_a_user_from_elsewhere(person, log_in):
    for _ in range(6):
        log_in(password="wrong", address=ELSEWHERE)
    assert log_in().status_code == 200
    assert log_in(address=ELSEWHERE).status_code == 429


def test_another_spelling_or_browser_counts_as_the_same_guess(person, log_in):
    for spelling, browser in zip(
        ("lena@example.com", "LENA@example.com", "Lena@Example.com", " lena@example.com"),
        "ABCD",
        strict=True,
    ):
        log_in(email=spelling, password="wrong", HTTP_USER_AGENT=browser)
    assert log_in(password="wrong", HTTP_USER_AGENT="E").status_code == 429


def test_a_lock_does_not_affect_other_users_at_the_address(person, log_in):
    User.objects.create_user(name="R", email="rita@example.com", password=PASSWORD)
    for _ in range(5):
        log_in(password="wrong")
    assert log_in().status_code == 429
    assert log_in(email="rita@example.com").status_code == 200


def test_a_success_resets_the_failures(person, log_in):
    for _ in range(3):
        assert [log_in(password="wrong").status_code for _ in range(4)] == [401] * 4
        assert log_in().status_code == 200


def test_a_lock_ends_by_itself(person, log_in):
    for _ in range(5):
        log_in(password="wrong")
    assert log_in().status_code == 429
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(seconds=LOCK + 1))
    assert log_in().status_code == 200


def test_attempts_during_a_lock_do_not_prolong_it(person, log_in):
    for _ in range(5):
        log_in(password="wrong")
    last = AccessAttempt.objects.get().attempt_time
    log_in(password="wrong")
    assert AccessAttempt.objects.get().attempt_time == last


def test_trying_many_accounts_from_one_address_is_stopped(person, log_in, settings):
    settings.LOGIN_FAILURES_PER_ADDRESS = 4
    answers = [log_in(email=f"person{n}@example.com").status_code for n in range(5)]
    assert answers == [401, 401, 401, 429, 429]
    assert log_in().status_code == 429
    assert log_in(address=ELSEWHERE).status_code == 200


def test_guessing_is_stopped_while_redis_is_down(person, log_in, without_redis):
    assert cache.get("anything") is None
    answers = [log_in(password="wrong").status_code for _ in range(6)]
    assert answers == [401, 401, 401, 401, 429, 429]
    assert log_in(address=ELSEWHERE).status_code == 200


def test_registering_works_while_redis_is_down(db, call, without_redis):
    body = {"name": "Leo", "email": "leo@example.com", "password": PASSWORD}
    assert call("register", body).status_code == 201


def test_logins_from_one_address_are_limited_even_when_they_succeed(person, log_in, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"login": "2/min"},
    }
    assert [log_in().status_code for _ in range(3)] == [200, 200, 429]


def admin_login(email, password, **headers):
    return Client(REMOTE_ADDR=HERE).post(
        "/admin/login/", {"username": email, "password": password}, **headers
    )


def test_the_back_office_has_the_same_limits(db, log_in):
    UserFactory(email="boss@example.com", password=PASSWORD, is_staff=True, is_superuser=True)
    assert admin_login("boss@example.com", PASSWORD).status_code == 302
    for _ in range(5):
        answer = admin_login("boss@example.com", "wrong", HTTP_ACCEPT="text/html")
    assert answer.status_code == 429
    assert answer["Content-Type"].startswith("text/html")
    assert int(answer["Retry-After"]) > 0
    assert admin_login("Boss@example.com", PASSWORD).status_code == 429
    assert log_in(email="boss@example.com").status_code == 429


def test_a_failed_login_stores_no_password(db, log_in):
    admin_login("boss@example.com", "my secret guess")
    log_in(email="boss@example.com", password="my secret guess")
    for attempt in AccessAttempt.objects.values():
        assert "my secret guess" not in str(attempt)


@pytest.mark.parametrize(
    ("path", "form", "content"),
    [
        ("/api/auth/login", {"email": "lena@example.com"}, {"content_type": "application/json"}),
        ("/admin/login/", {"username": "lena@example.com"}, {}),
    ],
)
def test_the_right_password_is_refused_if_other_tries_reach_the_limit_meanwhile(
    person, monkeypatch, path, form, content
):
    """Otherwise as many passwords could be tried at one moment as the site has threads."""
    User.objects.update(is_staff=True)
    check = User.check_password

    def check_while_others_fail(user, password):
        AccessAttempt.objects.create(username=person.email, ip_address=HERE, failures_since_start=5)
        return check(user, password)

    monkeypatch.setattr(User, "check_password", check_while_others_fail)
    client = Client(REMOTE_ADDR=HERE)
    assert client.post(path, form | {"password": PASSWORD}, **content).status_code == 429
    assert not SignIn.objects.exists()
    assert client.get("/admin/").status_code == 302
