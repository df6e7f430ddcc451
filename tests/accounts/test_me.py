"""/api/auth/me and /api/auth/password/change."""

from datetime import UTC, datetime

import pytest
from axes.models import AccessAttempt, AccessFailureLog
from django.db import connection
from rest_framework.test import APIClient

from accounts import services
from accounts.authentication import Caller
from accounts.models import KnownAddress, SignIn, User
from accounts.tokens import TokenRevoked, issue_tokens
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

NEW_PASSWORD = "seven seals in the bay"


@pytest.fixture
def me(person, login):
    return login(person)


@pytest.fixture
def removed(settings):
    """The ids of the users that other apps are asked to remove."""
    settings.PERSON_REMOVERS = ["tests.accounts.test_me.forget"]
    FORGOTTEN.clear()
    return FORGOTTEN


FORGOTTEN = []


def forget(*, user_id):
    assert connection.in_atomic_block
    FORGOTTEN.append(user_id)


def fail(*, user_id):
    raise RuntimeError("This remover fails.")


def test_a_user_reads_their_account(person, me):
    User.objects.update(created_at=datetime(2026, 11, 22, 12, 30, tzinfo=UTC))
    answer = me.get("/api/auth/me")
    assert answer.json() == {
        "id": person.pk,
        "name": "Lena Lion",
        "email": "lena@example.com",
        "is_guest": False,
        "email_confirmed_at": None,
        "language": "en",
        "created_at": "2026-11-22T12:30:00Z",
    }
    assert answer["Cache-Control"] == "no-store"


def test_a_user_is_renamed(person, me):
    answer = me.patch("/api/auth/me", {"name": " Leo Lion "}, format="json")
    assert answer.status_code == 200
    assert answer.json()["name"] == User.objects.get().name == "Leo Lion"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "Leo", "email": "leo@example.com"}, "email"),
        ({"name": "Leo", "is_staff": True}, "is_staff"),
    ],
)
def test_only_the_name_can_be_changed(person, me, body, field):
    answer = me.patch("/api/auth/me", body, format="json")
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    assert User.objects.get().name == "Lena Lion"


def test_the_lock_makes_the_writes_of_one_user_queue(person, django_assert_max_num_queries):
    caller = Caller(id=person.pk, token_version=person.token_version)
    with django_assert_max_num_queries(1) as queries:
        assert services.lock_caller(caller=caller).pk == person.pk
    assert "FOR NO KEY UPDATE" in queries[0]["sql"]
    assert "password_hash" not in queries[0]["sql"]


@pytest.mark.parametrize("change", [{"token_version": 2}, {"is_active": False}, None])
def test_a_revoked_token_locks_no_row(person, change):
    if change:
        User.objects.update(**change)
    else:
        User.objects.all().delete()
    with pytest.raises(TokenRevoked):
        services.lock_caller(caller=Caller(id=person.pk, token_version=person.token_version))


def test_removing_a_user_anonymizes_the_row(person, me, call, removed):
    refresh = issue_tokens(person).refresh
    User.objects.update(email_confirmed_at=person.created_at, last_login=person.created_at)
    call("login", {"email": "lena@example.com", "password": "wrong"}, REMOTE_ADDR="10.0.0.9")
    answer = me.delete("/api/auth/me", {"password": PASSWORD}, format="json")
    assert (answer.status_code, answer.content) == (204, b"")
    gone = User.objects.get()
    assert (gone.pk, gone.name, gone.email) == (person.pk, "", f"deleted-{person.pk}@invalid")
    assert (gone.email_confirmed_at, gone.last_login) == (None, None)
    assert not gone.is_active
    assert not gone.has_usable_password()
    assert gone.token_version == person.token_version + 1
    assert not SignIn.objects.filter(ended_at=None).exists()
    assert not AccessAttempt.objects.filter(username="lena@example.com").exists()
    assert not AccessFailureLog.objects.exists()
    assert not KnownAddress.objects.exists()
    assert removed == [person.pk]
    assert me.get("/api/auth/me").json()["code"] == "token_revoked"
    assert call("refresh", {"refresh": refresh}).status_code == 401
    assert call("login", {"email": gone.email, "password": PASSWORD}).status_code in (400, 401)


def test_the_removers_of_other_apps_can_be_imported(person, me, settings):
    assert settings.PERSON_REMOVERS
    answer = me.delete("/api/auth/me", {"password": PASSWORD}, format="json")
    assert answer.status_code == 204


def test_the_address_of_a_removed_user_can_be_registered_again(person, me, call, removed):
    me.delete("/api/auth/me", {"password": PASSWORD}, format="json")
    body = {"name": "Lena", "email": "lena@example.com", "password": PASSWORD}
    assert call("register", body).status_code == 201


def test_other_apps_remove_a_user_in_the_same_transaction(person, me, settings):
    settings.PERSON_REMOVERS = ["tests.accounts.test_me.fail"]
    me.raise_request_exception = False
    answer = me.delete("/api/auth/me", {"password": PASSWORD}, format="json")
    assert answer.status_code == 500
    person.refresh_from_db()
    assert person.is_active
    assert person.email == "lena@example.com"


def test_removing_needs_the_right_password(person, me, removed):
    answer = me.delete("/api/auth/me", {"password": "wrong"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "password_wrong")
    assert answer.json()["errors"].keys() == {"password"}
    assert me.delete("/api/auth/me", {}, format="json").json()["errors"].keys() == {"password"}
    assert me.delete("/api/auth/me").status_code in (400, 411)
    assert User.objects.get().is_active
    assert removed == []


def test_the_password_cannot_be_guessed_with_a_stolen_token(person, me):
    answers = [me.delete("/api/auth/me", {"password": "wrong"}, format="json") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 400, 429]
    answer = me.delete("/api/auth/me", {"password": PASSWORD}, format="json")
    assert answer.json()["code"] == "too_many_attempts"
    assert User.objects.get().is_active


@pytest.mark.parametrize("status", [{"is_staff": True}, {"is_superuser": True}])
def test_staff_cannot_be_removed(person, me, removed, status):
    User.objects.update(**status)
    answer = me.delete("/api/auth/me", {"password": PASSWORD}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "staff_account")
    assert User.objects.get().is_active
    assert removed == []


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_removals_succeeds(race, login, removed):
    user = UserFactory(password=PASSWORD)
    clients = [login(user), login(user)]
    answers = race(
        [
            lambda client=client: client.delete(
                "/api/auth/me", {"password": PASSWORD}, format="json"
            )
            for client in clients
        ]
    )
    assert [answer.status_code for answer in answers].count(204) == 1
    assert {answer.status_code for answer in answers} <= {204, 400, 401}
    assert removed == [user.pk]


def change(client: APIClient, current=PASSWORD, new=NEW_PASSWORD):
    body = {"current_password": current, "new_password": new}
    return client.post("/api/auth/password/change", body, format="json")


def test_a_changed_password_revokes_older_tokens(person, me, call):
    refresh = issue_tokens(person).refresh
    answer = change(me)
    assert (answer.status_code, answer.content) == (204, b"")
    assert me.get("/api/auth/me").json()["code"] == "token_revoked"
    assert call("refresh", {"refresh": refresh}).json()["code"] == "token_revoked"
    assert not SignIn.objects.filter(ended_at=None).exists()
    body = {"email": "lena@example.com", "password": PASSWORD}
    assert call("login", body).status_code == 401
    assert call("login", {**body, "password": NEW_PASSWORD}).status_code == 200


def test_changes_of_the_password_are_limited(person, login, without_redis, settings):
    """Each sends a notice, so somebody who registered a stranger's address could flood it."""
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {
            **settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"],
            "mail": "1/hour",
        },
    }
    assert change(login(person)).status_code == 204
    person.refresh_from_db()
    answer = change(login(person), current=NEW_PASSWORD, new=PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    other = UserFactory(password=PASSWORD)
    assert change(login(other)).status_code == 204


def test_changing_needs_the_current_password(person, me):
    answer = change(me, current="wrong")
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["current_password"]
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize("new", ["short", "password123", "lena@example.com", "x1" * 513])
def test_a_weak_new_password_is_refused(person, me, new):
    answer = change(me, new=new)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["new_password"]
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_password_changes_succeeds(race, login):
    user = UserFactory(password=PASSWORD)
    clients = [login(user), login(user)]
    words = ["seven seals in the bay", "nine newts under stones"]
    answers = race(
        [
            lambda client=client, new=new: change(client, new=new)
            for client, new in zip(clients, words, strict=True)
        ]
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(204) == 1
    before = user.token_version
    user.refresh_from_db()
    assert user.token_version == before + 1
    assert user.check_password(words[statuses.index(204)])
