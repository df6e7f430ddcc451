"""Staff change their own password: the page asks for the old one and limits guesses."""

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from accounts.tokens import issue_tokens
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

PAGE = "/admin/password_change/"
NEW_PASSWORD = "seven seals in the bay"


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def form(old_password: str, new_password: str = NEW_PASSWORD) -> dict[str, str]:
    return {
        "old_password": old_password,
        "new_password1": new_password,
        "new_password2": new_password,
    }


@pytest.fixture
def usher(db: None) -> User:
    return UserFactory(email="uma@example.com", password=PASSWORD, is_staff=True)


def test_a_changed_password_ends_tokens_and_all_other_sessions(usher: User) -> None:
    issue_tokens(usher)
    here, elsewhere = browser(usher), browser(usher)
    assert here.post(PAGE, form(PASSWORD)).headers["Location"] == "/admin/password_change/done/"
    before = usher.token_version
    usher.refresh_from_db()
    assert usher.check_password(NEW_PASSWORD)
    assert usher.token_version == before + 1
    assert not usher.sign_ins.filter(ended_at=None).exists()
    assert here.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (form("wrong"), "old_password"),
        (form(""), "old_password"),
        (form(PASSWORD, "12345678"), "new_password2"),
        (form(PASSWORD) | {"new_password2": "other"}, "new_password2"),
    ],
)
def test_a_refused_form_names_the_field(usher: User, sent: dict[str, str], field: str) -> None:
    page = browser(usher).post(PAGE, sent)
    assert list(page.context["form"].errors) == [field]
    assert User.objects.get(pk=usher.pk).check_password(PASSWORD)


def test_guesses_of_the_old_password_count_as_failed_logins(usher: User) -> None:
    client = browser(usher)
    guesses = [client.post(PAGE, form("wrong")) for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert [answer.status_code for answer in guesses] == [200, 200, 200, 200, 429]
    refused = client.post(PAGE, form(PASSWORD))
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    login = {"username": usher.email, "password": PASSWORD}
    assert Client().post("/admin/login/", login).status_code == 429
    assert User.objects.get(pk=usher.pk).check_password(PASSWORD)


@pytest.mark.parametrize("is_superuser", [True, False])
def test_the_page_of_users_leads_to_the_page_that_asks_for_the_old_one(
    usher: User, is_superuser: bool
) -> None:
    User.objects.filter(pk=usher.pk).update(is_superuser=is_superuser)
    page = f"/admin/accounts/user/{usher.pk}/password/"
    client = browser(usher)
    for answer in (
        client.get(page),
        client.post(page, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}),
    ):
        assert answer.headers["Location"] == PAGE
    assert User.objects.get(pk=usher.pk).check_password(PASSWORD)
