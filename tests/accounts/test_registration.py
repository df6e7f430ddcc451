"""POST /api/auth/register."""

import re
from json import dumps
from unicodedata import category

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from accounts import services
from accounts.models import SignIn, User
from accounts.serializers import SHOWABLE
from accounts.tokens import AccessToken, RefreshToken
from booking_site.typed_text import REFUSED
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

NEW = {"name": "Lena Lion", "email": "lena@example.com", "password": PASSWORD}


def test_registering_logs_in(db, call):
    answer = call("register", {**NEW, "name": "  Lena Lion ", "email": "Lena@Example.com"})
    assert answer.status_code == 201
    body = answer.json()
    user = User.objects.get()
    assert list(body) == ["id", "name", "email", "token", "expires_in", "refresh"]
    assert (body["id"], body["name"], body["email"]) == (user.pk, "Lena Lion", "lena@example.com")
    assert AccessToken.read(body["token"]).user_id == user.pk
    assert RefreshToken.read(body["refresh"]).sign_in_id == SignIn.objects.get().pk
    assert user.check_password(PASSWORD)
    assert not user.is_staff
    assert answer["Cache-Control"] == "no-store"


def test_registering_takes_at_most_five_statements(db, call):
    with CaptureQueriesContext(connection) as queries:
        call("register", NEW)
    assert len(queries) <= 5  # savepoint of the test, user, mail, sign-in, release


@pytest.mark.parametrize("spelling", ["lena@example.com", "LENA@example.COM", " lena@example.com "])
def test_a_taken_address_is_refused_in_any_spelling(db, call, spelling):
    UserFactory(email="lena@example.com")
    answer = call("register", {**NEW, "email": spelling})
    assert answer.status_code == 400
    assert answer.json()["code"] == "email_taken"
    assert answer.json()["errors"] == {
        "email": ["There is already an account with this e-mail address."]
    }
    assert User.objects.count() == 1


def test_an_address_written_in_capitals_by_plain_sql_is_taken_too(db, call):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users (name, email, password_hash) VALUES ('Old', 'LENA@example.com', '!')"
        )
    assert call("register", NEW).json()["code"] == "email_taken"


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_registrations_of_an_address_succeeds(race, call):
    answers = race([lambda: call("register", NEW)] * 6)
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400, 400]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 400} == {
        "email_taken"
    }
    assert User.objects.count() == SignIn.objects.count() == 1


def test_another_violated_constraint_is_not_reported_as_a_taken_address(db, monkeypatch, rf):
    monkeypatch.setattr(services, "ONE_PER_EMAIL", {"another_constraint"})
    UserFactory(email="lena@example.com")
    with pytest.raises(IntegrityError):
        services.register(request=rf.post("/"), **NEW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "\u200b"),
        ("name", "\u3164"),
        ("name", "Lena\u2028Lion"),
        ("name", "Lena \u202enoiL"),
        ("name", "Lena\nLion"),
        ("name", "See https://prize.example"),
        ("name", "x" * 201),
        ("name", 5),
        ("name", None),
        ("email", ""),
        ("email", "lena"),
        ("email", "lena@invalid"),
        ("email", "l\u00e9na@example.com"),
        ("email", f"{'x' * 250}@example.com"),
        ("email", ["lena@example.com"]),
        ("email", True),
        ("password", ""),
        ("email", "\u017fue@example.com"),
        ("email", "lena@xn--a.example"),
        ("password", "short"),
        ("password", "password123"),
        ("password", "3141592653589"),
        ("password", "lena@example.com"),
        ("password", "Lena Lion"),
        ("password", "x1" * 513),
        ("password", 12345678),
        ("is_staff", True),
    ],
)
def test_invalid_input_is_reported_by_field_and_changes_nothing(db, call, field, value):
    answer = call("register", {**NEW, field: value})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert not User.objects.exists()


def test_the_schema_refuses_the_characters_that_a_name_may_not_have():
    characters = set(map(chr, range(2**16)))
    refused = {character for character in characters if category(character) in REFUSED}
    assert {character for character in characters if not re.match(SHOWABLE, character)} == refused


@pytest.mark.parametrize("field", ["name", "email", "password"])
def test_every_field_is_required(db, call, field):
    answer = call("register", {name: value for name, value in NEW.items() if name != field})
    assert list(answer.json()["errors"]) == [field]


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
@pytest.mark.parametrize("field", ["name", "email", "password"])
def test_characters_that_cannot_be_stored_are_a_400(db, api, field, text):
    body = dumps({**NEW, field: f"{NEW[field]}{text}"})
    answer = api.post("/api/auth/register", body, content_type="application/json")
    assert answer.status_code == 400


def test_spaces_around_a_password_are_part_of_it(db, call):
    call("register", {**NEW, "password": f" {PASSWORD} "})
    assert User.objects.get().check_password(f" {PASSWORD} ")


@pytest.mark.parametrize("password", ["γάτα και σκύλος", "🦁 λιοντάρι " * 85])
def test_names_and_passwords_can_be_in_any_script(db, call, password):
    answer = call("register", {**NEW, "name": "李雷 🦁", "password": password})
    assert answer.status_code == 201
    person = User.objects.get(name="李雷 🦁")
    assert person.check_password(password)
    assert not person.check_password(password[:-1])


def test_a_bad_token_does_not_matter(db, call):
    assert call("register", NEW, HTTP_AUTHORIZATION="Bearer nonsense").status_code == 201


def test_registrations_from_one_address_are_limited(db, call, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"register": "2/hour"},
    }
    answers = [call("register", {**NEW, "email": f"lena{n}@example.com"}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2].json()["code"] == "throttled"
    assert int(answers[2]["Retry-After"]) > 0
    elsewhere = call("register", {**NEW, "email": "leo@example.com"}, REMOTE_ADDR="10.1.1.1")
    assert elsewhere.status_code == 201


def test_an_empty_rate_lifts_the_limit(db, call, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"register": None},
    }
    assert call("register", NEW).status_code == 201
