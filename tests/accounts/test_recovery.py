"""Links that confirm an address or reset a password; answers do not reveal accounts."""

import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts import links, recovery, services
from accounts.authentication import Caller
from accounts.models import SignIn, User
from accounts.tokens import issue_tokens
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import refusal
from tests.factories import ShowFactory, UserFactory, make_seats

NEW_PASSWORD = "seven seals in the bay"


def link_in(message):
    """Return the query of the only link in a mail, which is the same in both parts."""
    (html,) = [part.content for part in message.alternatives]
    (link,) = re.findall(r"https?://\S+", message.body)
    assert link.replace("&", "&amp;") in html
    return {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}


def without_mail_limits(settings):
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "mail": None, "mail_link": None}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


@pytest.fixture
def reset_link(person, call, posted):
    """Request a new password for the person, and return the query of the link in the mail."""

    def ask():
        assert call("password/reset", {"email": person.email}).status_code == 202
        (message,) = posted()
        return link_in(message)

    return ask


def confirm(call, link, password=NEW_PASSWORD):
    return call(
        "password/reset/confirm",
        {"uid": link["uid"], "reset_token": link["token"], "new_password": password},
    )


def test_a_forgotten_password_is_reset_with_a_link(person, call, reset_link):
    tokens = issue_tokens(person)
    answer = confirm(call, reset_link())
    assert (answer.status_code, answer.content) == (204, b"")
    body = {"email": "lena@example.com", "password": PASSWORD}
    assert call("login", body).status_code == 401
    assert call("login", {**body, "password": NEW_PASSWORD}).status_code == 200
    old = APIClient(HTTP_AUTHORIZATION=f"Bearer {tokens.access}")
    assert old.get("/api/auth/me").json()["code"] == "token_revoked"
    assert call("refresh", {"refresh": tokens.refresh}).json()["code"] == "token_revoked"
    assert SignIn.objects.filter(ended_at=None).count() == 1


def test_the_token_of_the_link_has_two_names(person, call, reset_link):
    link = {**reset_link(), "new_password": NEW_PASSWORD}
    assert link.keys() == {"uid", "token", "new_password"}
    both = call("password/reset/confirm", {**link, "reset_token": link["token"]})
    assert (both.status_code, list(both.json()["errors"])) == (400, ["token"])
    neither = call("password/reset/confirm", {"uid": link["uid"], "new_password": NEW_PASSWORD})
    assert (neither.status_code, list(neither.json()["errors"])) == (400, ["reset_token", "token"])
    assert call("password/reset/confirm", link).status_code == 204
    assert User.objects.get().check_password(NEW_PASSWORD)


def test_the_mail_links_to_the_client(person, call, posted, settings):
    settings.CLIENT_URL = "https://cinema.example/"
    call("password/reset", {"email": " Lena@Example.COM "})
    (message,) = posted()
    assert message.to == ["lena@example.com"]
    assert message.from_email == settings.DEFAULT_FROM_EMAIL
    assert "https://cinema.example/reset-password?uid=" in message.body
    assert "24 hours" in message.body


def test_known_and_unknown_addresses_get_the_same_answer_from_the_same_statements(
    person, call, posted
):
    answers, statements = [], []
    for email in ("lena@example.com", "nobody@example.com"):
        with CaptureQueriesContext(connection) as queries:
            answers.append(call("password/reset", {"email": email}))
        statements.append([query["sql"].split()[0] for query in queries])
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    assert statements == [["SELECT", "SAVEPOINT", "INSERT", "RELEASE"]] * 2
    assert [message.to for message in posted()] == [["lena@example.com"]]


def test_requests_send_no_mail(person, call):
    call("password/reset", {"email": "lena@example.com"})
    call("register", {"name": "Leo", "email": "leo@example.com", "password": PASSWORD})
    assert mail.outbox == []


@pytest.mark.parametrize("change", [{"is_active": False}, None])
def test_no_link_is_sent_to_a_closed_account(person, call, posted, change):
    call("password/reset", {"email": "lena@example.com"})
    if change:
        User.objects.update(**change)
    else:
        services.remove_person(user_id=person.pk)
    assert posted() == []


def test_a_link_works_once(person, call, reset_link):
    link = reset_link()
    assert confirm(call, link).status_code == 204
    again = confirm(call, link, "nine newts under stones")
    assert (again.status_code, again.json()["code"]) == (400, "link_invalid")
    assert User.objects.get().check_password(NEW_PASSWORD)


@pytest.mark.parametrize("event", ["another reset", "change", "revoke", "deactivate", "time"])
def test_a_link_is_invalid_after(event, person, call, login, reset_link, settings):
    without_mail_limits(settings)
    link = reset_link()
    if event == "another reset":
        assert confirm(call, reset_link(), "nine newts under stones").status_code == 204
    elif event == "change":
        body = {"current_password": PASSWORD, "new_password": "nine newts under stones"}
        login(person).post("/api/auth/password/change", body, format="json")
    elif event == "revoke":
        services.revoke_tokens(user_id=person.pk)
    elif event == "deactivate":
        User.objects.update(is_active=False)
    else:
        settings.PASSWORD_RESET_TIMEOUT = -1
    answer = confirm(call, link)
    assert (answer.status_code, answer.json()["code"]) == (400, "link_invalid")
    assert not User.objects.get().check_password(NEW_PASSWORD)


@pytest.mark.parametrize(
    "forged",
    [
        {"uid": "0"},
        {"uid": "-1"},
        {"uid": "x"},
        {"uid": "²"},
        {"uid": "9" * 19},
        {"token": "a-b"},
        {"token": "0"},
        {"token": "d4j0wz-" + "0" * 32},
        {"token": "zzzzzzzzzzzzzzzz-" + "0" * 32},
    ],
)
def test_a_forged_link_is_refused(person, call, reset_link, forged):
    refused = (400, "link_invalid")
    assert refusal(confirm(call, reset_link() | forged)) == refused
    confirmation = {"uid": str(person.pk), "token": links.confirmation_tokens.make_token(person)}
    assert refusal(call("email/confirm", confirmation | forged)) == refused


def test_a_link_is_only_for_its_owner(person, call, reset_link):
    other = UserFactory(password=PASSWORD)
    link = reset_link() | {"uid": str(other.pk)}
    assert confirm(call, link).json()["code"] == "link_invalid"
    # Created at the same moment, so the two links differ only in their user.
    confirmation = {"uid": str(other.pk), "token": links.confirmation_tokens.make_token(person)}
    assert call("email/confirm", confirmation).json()["code"] == "link_invalid"


def test_a_weak_new_password_leaves_the_link_valid(person, call, reset_link):
    link = reset_link()
    answer = confirm(call, link, "lena@example.com")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["new_password"])
    assert confirm(call, link).status_code == 204


def test_a_reset_lifts_the_lock_of_earlier_guesses(person, call, reset_link):
    for _ in range(6):
        call("login", {"email": person.email, "password": "wrong"})
    assert AccessAttempt.objects.exists()
    confirm(call, reset_link())
    body = {"email": person.email, "password": NEW_PASSWORD}
    assert call("login", body).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_uses_of_a_link_succeeds(race):
    user = UserFactory(password=PASSWORD)
    token = links.reset_tokens.make_token(user)
    words = ["seven seals in the bay", "nine newts under stones"]
    answers = race(
        [
            lambda word=word: APIClient().post(
                "/api/auth/password/reset/confirm",
                {"uid": str(user.pk), "reset_token": token, "new_password": word},
                format="json",
            )
            for word in words
        ]
    )
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [204, 400]
    before = user.token_version
    user.refresh_from_db()
    assert user.check_password(words[statuses.index(204)])
    assert user.token_version == before + 1


def test_the_queue_stores_no_link(person, call, reset_link):
    reset_link()
    call("register", {"name": "Leo", "email": "leo@example.com", "password": PASSWORD})
    rows = [str(row) for row in DBTaskResult.objects.values()]
    assert len(rows) == 2
    # Its format in a URL: the time of creation, and a digest.
    assert not any(re.search(r"token|[a-z0-9]{6}-[0-9a-f]{32}", row) for row in rows)


def limit(settings, **rates):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"mail": None, "mail_link": None, "call": None, **rates},
    }


def test_mails_to_one_address_are_limited_whoever_requests_them(person, call, settings):
    limit(settings, mail="2/hour")
    spellings = ["lena@example.com", "LENA@example.com", "lena@EXAMPLE.com "]
    answers = [
        call("password/reset", {"email": email}, REMOTE_ADDR=f"10.0.0.{n}")
        for n, email in enumerate(spellings)
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert call("password/reset", {"email": "leo@example.com"}).status_code == 202


def test_no_mailbox_is_flooded_while_redis_is_down(person, call, login, settings, without_redis):
    limit(settings, mail="2/hour")
    asking = [call("password/reset", {"email": person.email}).status_code for _ in range(3)]
    again = [login(person).post("/api/auth/email/resend").status_code for _ in range(3)]
    assert asking == again == [202, 202, 429]


def test_requests_of_one_visitor_are_limited_for_any_address(db, call, settings):
    limit(settings, mail_link="2/hour")
    answers = [call("password/reset", {"email": f"p{n}@example.com"}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]


@pytest.mark.parametrize("body", [{}, {"email": 5}, {"email": ["a@example.com"]}, {"email": "x"}])
def test_an_invalid_address_is_refused(db, call, body):
    answer = call("password/reset", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["email"])


def test_a_new_account_gets_a_confirmation_link(db, call, posted):
    answer = call("register", {"name": "Leo", "email": "leo@example.com", "password": PASSWORD})
    (message,) = posted()
    assert message.to == ["leo@example.com"]
    link = link_in(message)
    assert call("email/confirm", link).status_code == 204
    before = User.objects.get().email_confirmed_at
    assert before is not None
    assert call("email/confirm", link).status_code == 204
    assert User.objects.get().email_confirmed_at == before
    me = APIClient(HTTP_AUTHORIZATION=f"Bearer {answer.json()['token']}").get("/api/auth/me")
    assert datetime.fromisoformat(me.json()["email_confirmed_at"]) == before


def test_a_failed_registration_sends_no_mail(person, call, posted):
    body = {"name": "Lena", "email": "lena@example.com", "password": PASSWORD}
    assert call("register", body).json()["code"] == "email_taken"
    assert posted() == []


def test_the_link_of_a_former_address_confirms_nothing(person, call):
    token = links.confirmation_tokens.make_token(person)
    User.objects.update(email="lion@example.com")
    answer = call("email/confirm", {"uid": str(person.pk), "token": token})
    assert (answer.status_code, answer.json()["code"]) == (400, "link_invalid")
    assert User.objects.get().email_confirmed_at is None


@pytest.mark.parametrize(
    ("tokens", "follow"),
    [
        (links.reset_tokens, confirm),
        (links.confirmation_tokens, lambda call, link: call("email/confirm", link)),
    ],
    ids=["reset", "confirmation"],
)
def test_a_link_expires(person, call, monkeypatch, tokens, follow):
    made_at = tokens._now() - timedelta(hours=24, seconds=2)
    with monkeypatch.context() as clock:
        clock.setattr(type(tokens), "_now", lambda _: made_at)
        link = {"uid": str(person.pk), "token": tokens.make_token(person)}
    assert refusal(follow(call, link)) == (400, "link_invalid")


def test_a_link_of_one_kind_is_refused_for_the_other(person, call):
    confirmation = {"uid": str(person.pk), "token": links.confirmation_tokens.make_token(person)}
    reset = {"uid": str(person.pk), "token": links.reset_tokens.make_token(person)}
    assert confirm(call, confirmation).status_code == 400
    assert call("email/confirm", reset).status_code == 400


def test_setting_a_password_by_mail_confirms_the_address(person, call, reset_link):
    confirm(call, reset_link())
    assert User.objects.get().email_confirmed_at is not None


def test_the_link_is_sent_again_until_the_address_is_confirmed(person, login, posted):
    client = login(person)
    assert client.post("/api/auth/email/resend", {}, format="json").status_code == 202
    (message,) = posted()
    link = link_in(message)
    recovery.confirm_email(uid=link["uid"], token=link["token"])
    assert client.post("/api/auth/email/resend").status_code == 202
    assert posted() == []


def test_no_mail_is_sent_once_the_address_is_confirmed(person, posted):
    recovery.resend_confirmation(caller=Caller(id=person.pk, token_version=person.token_version))
    User.objects.update(email_confirmed_at=person.created_at + timedelta(hours=1))
    assert posted() == []


def test_resending_needs_a_valid_token(person, login):
    client = login(person)
    services.revoke_tokens(user_id=person.pk)
    assert client.post("/api/auth/email/resend").json()["code"] == "token_revoked"
    assert APIClient().post("/api/auth/email/resend").status_code == 401


def test_a_site_can_require_confirmed_addresses_for_holding_and_booking(person, login, settings):
    seats = make_seats(ShowFactory(), "SSSS")
    seats_of_show = {"show_id": seats[0].show_id, "seat_ids": [seats[0].pk]}
    client = login(person)

    def ask():
        held = client.post("/api/holds", seats_of_show, format="json")
        best = {"show_id": seats[0].show_id, "quantity": 1}
        found = client.post("/api/holds", best, format="json")
        booked = client.post(
            "/api/bookings", seats_of_show, format="json", HTTP_IDEMPOTENCY_KEY="k"
        )
        return [answer.status_code for answer in (held, found, booked)]

    settings.EMAIL_CONFIRMATION_REQUIRED = True
    assert ask() == [403, 403, 403]
    hold_id = client.post("/api/holds", seats_of_show, format="json").json().get("id")
    assert hold_id is None
    User.objects.update(email_confirmed_at=person.created_at)
    assert ask() == [201, 200, 201]


def test_a_hold_made_before_is_not_booked_by_an_unconfirmed_customer(person, login, settings):
    seats = make_seats(ShowFactory(), "SSSS")
    client = login(person)
    seats_of_show = {"show_id": seats[0].show_id, "seat_ids": [seats[0].pk]}
    hold_id = client.post("/api/holds", seats_of_show, format="json").json()["id"]
    settings.EMAIL_CONFIRMATION_REQUIRED = True
    answer = client.post(
        "/api/bookings", {"hold_id": hold_id}, format="json", HTTP_IDEMPOTENCY_KEY="k"
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "email_unconfirmed")


def test_removing_a_user_deletes_their_mails_from_the_queue(person, login, call):
    recovery.resend_confirmation(caller=Caller(id=person.pk, token_version=person.token_version))
    call("password/reset", {"email": "lena@example.com"})
    call("password/reset", {"email": "leo@example.com"})
    login(person).delete("/api/auth/me", {"password": PASSWORD}, format="json")
    (row,) = DBTaskResult.objects.all()
    assert row.args_kwargs["kwargs"] == {"email": "leo@example.com"}
    assert User.objects.get().email_confirmed_at is None


def test_an_address_changed_by_staff_must_be_confirmed_again(person, office, posted):
    User.objects.filter(pk=person.pk).update(email_confirmed_at=person.created_at)
    page = f"/admin/accounts/user/{person.pk}/change/"
    form = {"name": "Leo Lion", "email": "lena@example.com", "is_active": "on"}
    assert office.post(page, form).status_code == 302
    person.refresh_from_db()
    assert (person.name, person.email_confirmed_at) == ("Leo Lion", person.created_at)
    assert office.post(page, {**form, "email": "lion@example.com"}).status_code == 302
    person.refresh_from_db()
    assert person.email_confirmed_at is None
    confirmation = posted()[-1]
    assert confirmation.to == ["lion@example.com"]
    assert link_in(confirmation)["uid"] == str(person.pk)
