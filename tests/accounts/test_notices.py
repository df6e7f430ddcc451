"""E-mails that report a change of the password, the address or the second factor."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.management.commands import changepassword
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts import services
from accounts.links import reset_tokens
from accounts.mails import NOTICES, mails_about
from accounts.models import SignIn, User
from accounts.tokens import issue_tokens
from tests.accounts.conftest import PASSWORD
from tests.accounts.test_second_factor import code_of_key, next_code_of, remove, start, verify
from tests.factories import UserFactory

NEW_PASSWORD = "nine newts under stones"
USERS = "/admin/accounts/user/"

pytestmark = pytest.mark.django_db

Posted = Callable[[], list[EmailMultiAlternatives]]


@pytest.fixture
def person(db: None) -> User:
    return UserFactory(name="Lena Lion", email="lena@example.com", password=PASSWORD)


@pytest.fixture
def own_page(person: User) -> Client:
    """The back office as the person sees it, who is an administrator now."""
    User.objects.update(is_staff=True, is_superuser=True)
    browser = Client()
    browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def by_api(person: User) -> None:
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(person).access}")
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert client.post("/api/auth/password/change", body, format="json").status_code == 204


def by_link(person: User) -> None:
    body = {
        "uid": str(person.pk),
        "reset_token": reset_tokens.make_token(person),
        "new_password": NEW_PASSWORD,
    }
    answer = APIClient().post("/api/auth/password/reset/confirm", body, format="json")
    assert answer.status_code == 204


def by_command(person: User) -> None:
    call_command("changepassword", person.email)


def assert_only_notices(messages: list[EmailMultiAlternatives], change: str, *to: str) -> None:
    """Check that these are notices of the change, without a name or a link."""
    assert [message.to for message in messages] == [[email] for email in to]
    for message in messages:
        assert message.subject == str(NOTICES[change].subject)
        (html,) = [part.content for part in message.alternatives]
        for text in (message.body, html):
            assert str(NOTICES[change].sentence) in text
            assert not re.search("://|href|Lena", text)


@pytest.mark.parametrize("change_password", [by_api, by_link, by_command])
def test_a_new_password_is_reported_and_revokes_all_tokens(
    person: User, posted: Posted, monkeypatch: Any, change_password: Callable[[User], None]
) -> None:
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *args: NEW_PASSWORD)
    issue_tokens(person)
    version = person.token_version
    change_password(person)
    assert_only_notices(posted(), "password", "lena@example.com")
    person.refresh_from_db()
    assert person.check_password(NEW_PASSWORD)
    assert person.token_version > version
    assert not SignIn.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("button", ["set-password", "unset-password"])
def test_a_password_set_by_staff_is_reported_and_revokes_all_tokens(
    person: User, office: Client, posted: Posted, button: str
) -> None:
    issue_tokens(person)
    form = {
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
        "usable_password": str(button == "set-password").lower(),
        button: "on",
    }
    assert office.post(f"{USERS}{person.pk}/password/", form).status_code == 302
    assert_only_notices(posted(), "password", "lena@example.com")
    version = person.token_version
    person.refresh_from_db()
    assert person.has_usable_password() is (button == "set-password")
    assert person.token_version > version
    assert not SignIn.objects.filter(ended_at=None).exists()


def test_a_password_that_staff_change_for_themselves_is_reported_and_revokes_all_tokens(
    person: User, own_page: Client, posted: Posted
) -> None:
    issue_tokens(person)
    page = "/admin/password_change/"
    assert own_page.get(page).status_code == 200
    form = {
        "old_password": PASSWORD,
        "new_password1": NEW_PASSWORD,
        "new_password2": NEW_PASSWORD,
    }
    assert own_page.post(page, form | {"old_password": "wrong"}).status_code == 200
    assert posted() == []
    assert own_page.post(page, form)["Location"] == "/admin/password_change/done/"
    assert_only_notices(posted(), "password", "lena@example.com")
    assert own_page.get("/admin/").status_code == 200
    assert not SignIn.objects.filter(ended_at=None).exists()


def test_a_new_account_gets_no_notice(posted: Posted, office: Client) -> None:
    new = {"name": "Leo", "email": "leo@example.com", "password": PASSWORD}
    APIClient().post("/api/auth/register", new, format="json")
    form = {"name": "Kim", "email": "kim@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert office.post(f"{USERS}add/", form).status_code == 302
    assert [message.subject for message in posted()] == ["Please confirm your e-mail address"]


def test_a_new_address_is_reported_to_both_addresses_and_ends_all_sign_ins(
    person: User, office: Client, posted: Posted
) -> None:
    version = person.token_version
    access = issue_tokens(person).access
    AccessAttempt.objects.create(username=person.email, failures_since_start=1)
    form = {"name": person.name, "email": "Lena@New.example", "is_active": "on"}
    assert office.post(f"{USERS}{person.pk}/change/", form).status_code == 302
    *notices, confirmation = posted()
    assert confirmation.to == ["lena@new.example"]
    assert_only_notices(notices, "email", "lena@example.com", "lena@new.example")
    assert "can no longer reset" in notices[0].body
    assert "can no longer reset" not in notices[1].body
    person.refresh_from_db()
    assert person.token_version == version + 1
    assert not SignIn.objects.filter(ended_at=None).exists()
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {access}")
    assert client.get("/api/auth/me").json()["code"] == "token_revoked"
    assert not AccessAttempt.objects.exists()


def test_other_changes_by_staff_send_nothing(person: User, office: Client, posted: Posted) -> None:
    form = {"name": "Lena L.", "email": " LENA@example.com", "is_active": "on"}
    assert office.post(f"{USERS}{person.pk}/change/", form).status_code == 302
    assert posted() == []


def test_a_second_factor_that_staff_set_up_or_turn_off_is_reported(
    person: User, own_page: Client, posted: Posted
) -> None:
    assert verify(own_page, code_of_key(start(own_page))).status_code == 302
    assert_only_notices(posted(), "second_factor_added", "lena@example.com")
    device = TOTPDevice.objects.get()
    assert remove(own_page, next_code_of(device)).status_code == 302
    assert_only_notices(posted(), "second_factor_removed", "lena@example.com")


@pytest.mark.parametrize("single", [True, False])
def test_a_second_factor_that_staff_delete_is_reported(
    person: User, office: Client, posted: Posted, single: bool
) -> None:
    device = TOTPDevice.objects.create(user=person, name="Phone")
    page = "/admin/otp_totp/totpdevice/"
    if single:
        answer = office.post(f"{page}{device.pk}/delete/", {"post": "yes"})
    else:
        form = {"action": "delete_selected", "_selected_action": [device.pk], "post": "yes"}
        answer = office.post(page, form)
    assert answer.status_code == 302
    assert not TOTPDevice.objects.exists()
    assert_only_notices(posted(), "second_factor_removed", "lena@example.com")


def test_a_removed_user_gets_no_notice(person: User, office: Client, posted: Posted) -> None:
    form = {"name": person.name, "email": "lena@new.example", "is_active": "on"}
    office.post(f"{USERS}{person.pk}/change/", form)
    assert DBTaskResult.objects.count() == 3
    services.remove_person(user_id=person.pk)
    assert not DBTaskResult.objects.exists()


def test_a_notice_belongs_to_its_account_even_if_another_has_its_address_now(
    person: User, office: Client
) -> None:
    form = {"name": person.name, "email": "lena@new.example", "is_active": "on"}
    office.post(f"{USERS}{person.pk}/change/", form)
    assert not mails_about(UserFactory(email="lena@example.com")).exists()
