"""One account per mailbox, however its domain is spelled."""

import pytest
from axes.models import AccessAttempt
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

STORED, SHOWN = "u@xn--bcher-kva.example", "u@bücher.example"
NEW = {"name": "Uwe", "email": SHOWN, "password": PASSWORD}


def insert(email: str) -> int:
    """Insert an account by plain SQL, which does not rewrite the address; return its id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users (name, email, password_hash) VALUES ('Uwe', %s, '!') RETURNING id",
            [email],
        )
        return int(cursor.fetchone()[0])


def emails() -> dict[int, str]:
    return dict(User.objects.values_list("pk", "email"))


def test_an_address_is_stored_in_ascii_and_shown_readable(db, call, api):
    answer = call("register", NEW)
    assert (answer.status_code, answer.json()["email"]) == (201, SHOWN)
    user = User.objects.get(email=STORED)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['token']}")
    assert api.get("/api/auth/me").json()["email"] == SHOWN
    assert api.get("/api/auth/me/export").json()["profile"]["email"] == SHOWN
    assert str(user) == f"Uwe <{SHOWN}>"


def test_the_other_spelling_is_the_same_account(db, call):
    call("register", NEW)
    assert call("register", {**NEW, "email": STORED}).json()["code"] == "email_taken"
    for spelling in (SHOWN, STORED, "U@BÜCHER.example"):
        assert call("login", {"email": spelling, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("spelling", [SHOWN, STORED, "U@BÜCHER.example"])
def test_staff_log_in_to_the_back_office_by_any_spelling(db, client, spelling):
    UserFactory(email=STORED, password=PASSWORD, is_staff=True)
    answer = client.post("/admin/login/", {"username": spelling, "password": PASSWORD})
    assert answer.status_code == 302


def test_a_failed_login_with_a_text_longer_than_any_address_is_refused(db, client):
    answer = client.post("/admin/login/", {"username": f"{'x' * 5000}@x", "password": "wrong"})
    assert answer.status_code == 200
    assert len(AccessAttempt.objects.get().username) == 254


def test_the_command_for_administrators_knows_every_spelling(db):
    UserFactory(email=STORED)
    with pytest.raises(CommandError, match="already taken"):
        call_command("createsuperuser", email=SHOWN, name="Uwe", interactive=False)


def test_failed_logins_of_all_spellings_count_together(db, call, settings):
    settings.AXES_FAILURE_LIMIT = 2
    UserFactory(email=STORED, password=PASSWORD)
    codes = [
        call("login", {"email": email, "password": "wrong"}).json()["code"]
        for email in (STORED, SHOWN)
    ]
    assert codes[-1] == "too_many_attempts"


def test_staff_find_an_account_by_either_spelling(db):
    user = UserFactory(email=SHOWN)
    assert user.email == STORED
    for text in (SHOWN, STORED, "u@"):
        assert User.objects.ids_matching(text) == [user.pk]


def test_stored_addresses_are_rewritten_and_the_rest_is_reported(db, capsys):
    capital, umlaut = insert("LENA@example.com"), insert("u@bücher.example")
    decomposed, invalid = insert("u@bu\u0308cher.example"), insert("jürgen@example.com")
    before = emails()
    report = [
        f"user {capital}: rewritten",
        f"user {umlaut}: rewritten",
        f"user {decomposed}: user {umlaut} has the same e-mail address",
        f"user {invalid}: the e-mail address is invalid",
    ]
    call_command("canonicalize_emails", dry_run=True)
    assert capsys.readouterr().out.splitlines() == report
    assert emails() == before
    call_command("canonicalize_emails")
    assert capsys.readouterr().out.splitlines() == report
    assert emails() == {**before, capital: "lena@example.com", umlaut: STORED}
    call_command("canonicalize_emails")
    assert capsys.readouterr().out.splitlines() == report[2:]


def test_an_address_that_another_account_has_is_not_taken_from_it(db, capsys):
    owner, other = insert(STORED), insert(SHOWN)
    call_command("canonicalize_emails")
    assert capsys.readouterr().out == f"user {other}: user {owner} has the same e-mail address\n"
    assert emails() == {owner: STORED, other: SHOWN}


@pytest.mark.parametrize(
    ("email", "stays_confirmed"), [("u@bücher.example", True), ("u@straße.example", False)]
)
def test_an_address_confirmed_by_a_mail_to_another_domain_is_not_confirmed(
    db, capsys, email, stays_confirmed
):
    user = User.objects.get(pk=insert(email))
    User.objects.update(email_confirmed_at=user.created_at)
    call_command("canonicalize_emails")
    user.refresh_from_db()
    assert user.email.startswith("u@xn--")
    assert (user.email_confirmed_at is not None) is stays_confirmed
    assert ("no longer confirmed" in capsys.readouterr().out) is not stays_confirmed


@pytest.mark.parametrize("email", [SHOWN, "jürgen@example.com"])
def test_an_account_that_waits_for_staff_can_be_changed_by_them(db, email):
    user = User.objects.get(pk=insert(email))
    user.name = "Uwe the Second"
    user.save()
    assert User.objects.get(name="Uwe the Second").email == email
