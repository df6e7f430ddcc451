"""Which tokens are accepted, and how refresh tokens rotate."""

import time
from base64 import urlsafe_b64encode
from datetime import timedelta
from itertools import pairwise
from json import dumps
from uuid import uuid4

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import SignIn, User
from accounts.tokens import (
    AccessToken,
    RefreshToken,
    TokenExpired,
    TokenInvalid,
    issue_tokens,
)
from tests.accounts.conftest import PASSWORD
from tests.factories import ShowFactory, UserFactory, make_seats

OTHER_KEY = "another-key-of-more-than-thirty-two-bytes"


def claims(user, **changes):
    now = timezone.now()
    return {
        "token_type": "access",
        "sub": str(user.pk),
        "ver": user.token_version,
        "jti": uuid4().hex,
        "iat": now,
        "exp": now + timedelta(hours=1),
        "iss": "movie-booking-api",
        "aud": "movie-booking-api",
    } | changes


def without(claim, user):
    return {name: value for name, value in claims(user).items() if name != claim}


def part(content):
    raw = content if isinstance(content, bytes) else dumps(content).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def hand_made(header, user):
    payload = claims(user, iat=0, exp=2**40)
    return f"{part(header)}.{part(payload)}.{part(b'signature')}"


BAD = {
    "no token": lambda user, sign: "",
    "a word": lambda user, sign: "nonsense",
    "two words": lambda user, sign: f"{sign(claims(user))} more",
    "three dots": lambda user, sign: "...",
    "not ASCII": lambda user, sign: "\xe9.\xe9.\xe9",
    "a cut signature": lambda user, sign: sign(claims(user))[:-3],
    "a changed payload": lambda user, sign: ".".join(
        [
            sign(claims(user)).split(".")[0],
            part(claims(user, sub="1", iat=0, exp=2**40)),
            sign(claims(user)).split(".")[2],
        ]
    ),
    "algorithm none": lambda user, sign: jwt.encode(claims(user), None, algorithm="none"),
    "algorithm none, signed": lambda user, sign: hand_made({"alg": "none"}, user),
    "another algorithm": lambda user, sign: sign(claims(user), algorithm="HS512"),
    "an algorithm that is a list": lambda user, sign: hand_made({"alg": ["HS256"]}, user),
    "an algorithm that is an object": lambda user, sign: hand_made({"alg": {}}, user),
    "a header of 3,000 brackets": lambda user, sign: hand_made(b"[" * 3000, user),
    "another key": lambda user, sign: sign(claims(user), key=OTHER_KEY),
    "another key and expired": lambda user, sign: sign(claims(user, exp=1), key=OTHER_KEY),
    "another issuer": lambda user, sign: sign(claims(user, iss="somebody")),
    "another issuer and expired": lambda user, sign: sign(claims(user, iss="somebody", exp=1)),
    "another audience": lambda user, sign: sign(claims(user, aud="somebody")),
    "a refresh token": lambda user, sign: issue_tokens(user).refresh,
    "an expired refresh token": lambda user, sign: sign(claims(user, token_type="refresh", exp=1)),
    "not yet valid": lambda user, sign: sign(claims(user, nbf=2**40)),
    "subject is not a number": lambda user, sign: sign(claims(user, sub="anybody")),
    "subject of non-ASCII digits": lambda user, sign: sign(claims(user, sub="٣")),
    "subject too large": lambda user, sign: sign(claims(user, sub=str(2**53))),
    "version is not a number": lambda user, sign: sign(claims(user, ver="1")),
    "version is a boolean": lambda user, sign: sign(claims(user, ver=True)),
    "sign-in is not an id": lambda user, sign: sign(claims(user, sid="five")),
    "sign-in is not text": lambda user, sign: sign(claims(user, sid=5)),
    "end is not a number": lambda user, sign: sign(claims(user, exp="tomorrow")),
    **{
        f"without {claim}": lambda user, sign, claim=claim: sign(without(claim, user))
        for claim in ("sub", "ver", "jti", "iat", "exp", "iss", "aud", "token_type")
    },
}


@pytest.fixture
def sign(settings):
    def make(payload, key=settings.JWT_SIGNING_KEY, algorithm="HS256"):
        return jwt.encode(payload, key, algorithm=algorithm)

    return make


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_is_refused(user, api, sign, kind):
    token = BAD[kind](user, sign)
    answer = api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_invalid"
    assert answer["WWW-Authenticate"] == "Bearer"


def revoked(user, sign):
    token = sign(claims(user))
    User.objects.filter(pk=user.pk).update(token_version=F("token_version") + 1)
    return token


def of_a_removed_user(user, sign):
    token = sign(claims(user))
    user.delete()
    return token


UNUSABLE = {
    **{
        kind: lambda user, sign, make=make: f"Bearer {make(user, sign)}"
        for kind, make in BAD.items()
    },
    "empty header": lambda user, sign: "",
    "another scheme": lambda user, sign: "Basic dTpw",
    "expired": lambda user, sign: f"Bearer {sign(claims(user, exp=1))}",
    "revoked": lambda user, sign: f"Bearer {revoked(user, sign)}",
    "of a removed user": lambda user, sign: f"Bearer {of_a_removed_user(user, sign)}",
}


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_token_counts_as_none_on_public_reads(user, api, sign, kind):
    show = ShowFactory()
    make_seats(show, "SS")
    paths = [
        "/api/movies",
        f"/api/movies/{show.movie_id}",
        f"/api/movies/{show.movie_id}/shows",
        "/api/theatres",
        f"/api/theatres/{show.theatre_id}",
        f"/api/theatres/{show.theatre_id}/shows",
        "/api/shows",
        f"/api/shows/{show.pk}",
        f"/api/shows/{show.pk}/seats",
    ]
    header = {"HTTP_AUTHORIZATION": UNUSABLE[kind](user, sign)}
    for path in paths:
        answer = api.get(path, **header)
        assert (answer.status_code, answer.content) == (200, api.get(path).content)
    assert api.get("/api/bookings", **header).status_code == 401


def test_a_valid_token_made_by_hand_is_accepted(user, api, sign):
    """Guards the table above: its tokens differ from this one by one flaw each."""
    answer = api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {sign(claims(user))}")
    assert answer.status_code == 200


def test_a_token_from_a_server_whose_clock_is_ahead_is_accepted(user, api, sign):
    token = sign(claims(user, iat=timezone.now() + timedelta(minutes=30)))
    answer = api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["Basic dTpw", "Bearer", "Token abc", "bearer:abc", "x"])
def test_another_kind_of_header_is_refused(db, api, header):
    answer = api.get("/api/auth/me", HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_the_scheme_is_read_in_any_case(user, api):
    answer = api.get("/api/auth/me", HTTP_AUTHORIZATION=f"bearer {issue_tokens(user).access}")
    assert answer.status_code == 200


def test_a_protected_call_without_a_token_is_401(db, api):
    answer = api.get("/api/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_expired_token_has_its_own_code(user, api, sign):
    token = sign(claims(user, exp=timezone.now()))
    answer = api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_the_lifetime_comes_from_the_settings(user, settings):
    settings.ACCESS_TOKEN_LIFETIME = timedelta(0)
    with pytest.raises(TokenExpired):
        AccessToken.read(issue_tokens(user).access)


@pytest.mark.parametrize(
    "change", [{"token_version": 2}, {"is_active": False}], ids=["revoked", "inactive"]
)
def test_a_token_ends_with_its_user(user, customer, change):
    User.objects.filter(pk=user.pk).update(**change)
    for answer in (
        customer.get("/api/auth/me"),
        customer.patch("/api/auth/me", {"name": "Leo"}, format="json"),
        customer.delete("/api/auth/me", {"password": "anything"}, format="json"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


def test_the_token_of_a_deleted_row_is_invalid(user, customer):
    User.objects.all().delete()
    assert customer.get("/api/auth/me").json()["code"] == "token_revoked"


def test_the_previous_key_verifies_but_does_not_sign(user, settings):
    old = issue_tokens(user).access
    settings.JWT_PREVIOUS_KEY, settings.JWT_SIGNING_KEY = settings.JWT_SIGNING_KEY, OTHER_KEY
    assert AccessToken.read(old).user_id == user.pk
    new = issue_tokens(user).access
    assert jwt.decode(new, OTHER_KEY, algorithms=["HS256"], audience="movie-booking-api")
    settings.JWT_PREVIOUS_KEY = ""
    AccessToken.read(new)
    with pytest.raises(TokenInvalid):
        AccessToken.read(old)


def test_a_rotation_in_two_steps_works_server_by_server(user, settings):
    key, new = settings.JWT_SIGNING_KEY, OTHER_KEY
    deploys = [
        {"JWT_SIGNING_KEY": key, "JWT_NEXT_KEY": "", "JWT_PREVIOUS_KEY": ""},
        {"JWT_SIGNING_KEY": key, "JWT_NEXT_KEY": new, "JWT_PREVIOUS_KEY": ""},
        {"JWT_SIGNING_KEY": new, "JWT_NEXT_KEY": "", "JWT_PREVIOUS_KEY": key},
    ]
    for servers in pairwise(deploys):  # During a deploy, servers of both releases run.
        for issuer, reader in (servers, servers[::-1]):
            for name, value in issuer.items():
                setattr(settings, name, value)
            token = issue_tokens(user).access
            for name, value in reader.items():
                setattr(settings, name, value)
            answer = APIClient().get("/api/auth/me", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 200


def test_without_a_previous_key_an_empty_key_is_refused(user, settings, sign):
    assert settings.JWT_PREVIOUS_KEY == ""
    header, payload, _ = sign(claims(user)).split(".")
    with pytest.raises(TokenInvalid):
        AccessToken.read(f"{header}.{payload}.")


def test_a_refresh_token_is_exchanged_for_a_new_pair(user, call):
    first = issue_tokens(user)
    answer = call("refresh", {"refresh": first.refresh})
    assert answer.status_code == 200
    assert list(answer.json()) == ["token", "refresh", "expires_in"]
    assert AccessToken.read(answer.json()["token"]).user_id == user.pk
    assert call("refresh", {"refresh": answer.json()["refresh"]}).status_code == 200
    assert SignIn.objects.count() == 1


def test_refreshing_prolongs_the_sign_in(user, call):
    token = issue_tokens(user).refresh
    SignIn.objects.update(expires_at=timezone.now())
    call("refresh", {"refresh": token})
    assert SignIn.objects.get().expires_at > timezone.now() + timedelta(days=13)


def let_grace_period_pass():
    grace = timedelta(seconds=settings.REFRESH_GRACE_SECONDS)
    SignIn.objects.update(issued_at=F("issued_at") - grace)


def test_a_used_refresh_token_ends_the_whole_sign_in(user, call):
    first = issue_tokens(user).refresh
    elsewhere = issue_tokens(user).refresh
    second = call("refresh", {"refresh": first}).json()["refresh"]
    let_grace_period_pass()
    for stolen in (first, second):
        answer = call("refresh", {"refresh": stolen})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert call("refresh", {"refresh": elsewhere}).status_code == 200


def test_a_token_used_twice_within_the_grace_period_returns_the_same_pair(user, call):
    token = issue_tokens(user).refresh
    first, second = (call("refresh", {"refresh": token}).json() for _ in range(2))
    assert [first[name] for name in ("token", "refresh")] == [
        second[name] for name in ("token", "refresh")
    ]
    assert call("refresh", {"refresh": second["refresh"]}).status_code == 200
    # Only the token that was replaced last has a grace period.
    assert call("refresh", {"refresh": token}).json()["code"] == "token_revoked"


@pytest.mark.parametrize(
    "path", ["register", "login", "refresh", "refresh within the grace period"]
)
def test_expires_in_is_the_remaining_time_of_the_access_token(person, call, settings, path):
    settings.ACCESS_TOKEN_LIFETIME = timedelta(minutes=7)
    credentials = {"email": person.email, "password": PASSWORD}
    refresh = {"refresh": issue_tokens(person).refresh}
    if path == "refresh within the grace period":
        call("refresh", refresh)
        SignIn.objects.update(issued_at=F("issued_at") - timedelta(seconds=5))
    bodies = {
        "register": {**credentials, "name": "Leo", "email": "leo@example.com"},
        "login": credentials,
    }
    before = int(time.time())
    body = call(path.partition(" ")[0], bodies.get(path, refresh)).json()
    now = AccessToken.read(body["token"])["exp"] - body["expires_in"]
    assert before <= now <= int(time.time())


def test_a_pair_is_signed_with_the_times_of_its_sign_in(user, call):
    token = issue_tokens(user).refresh
    call("refresh", {"refresh": token})
    SignIn.objects.update(issued_at=F("issued_at") - timedelta(seconds=5))
    issued_at = int(SignIn.objects.get().issued_at.timestamp())
    again = call("refresh", {"refresh": token}).json()
    assert RefreshToken.read(again["refresh"])["iat"] == issued_at
    assert AccessToken.read(again["token"])["iat"] == issued_at


def test_the_grace_period_ends_with_the_sign_in(user, call):
    token = issue_tokens(user).refresh
    newest = call("refresh", {"refresh": token}).json()["refresh"]
    assert call("logout", {"refresh": newest}).status_code == 204
    assert call("refresh", {"refresh": token}).json()["code"] == "token_revoked"


def test_the_ids_of_the_tokens_of_a_pair_differ(user):
    pair = issue_tokens(user)
    assert AccessToken.read(pair.access)["jti"] != RefreshToken.read(pair.refresh)["jti"]


@pytest.mark.django_db(transaction=True)
def test_simultaneous_uses_of_a_refresh_token_get_one_pair(race, call):
    token = issue_tokens(UserFactory()).refresh
    answers = race([lambda: call("refresh", {"refresh": token})] * 6)
    assert {answer.status_code for answer in answers} == {200}
    (pair,) = {tuple(answer.json().values()) for answer in answers}
    assert RefreshToken.read(pair[1]).token_id == SignIn.objects.get().token_id


@pytest.mark.django_db(transaction=True)
def test_without_a_grace_period_simultaneous_uses_end_the_sign_in(race, call, settings):
    settings.REFRESH_GRACE_SECONDS = 0
    token = issue_tokens(UserFactory()).refresh
    answers = race([lambda: call("refresh", {"refresh": token})] * 6)
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    assert SignIn.objects.get().ended_at is not None


@pytest.mark.parametrize(
    "change", [{"token_version": 2}, {"is_active": False}], ids=["revoked", "inactive"]
)
def test_a_refresh_token_ends_with_its_user(user, call, change):
    token = issue_tokens(user).refresh
    User.objects.filter(pk=user.pk).update(**change)
    answer = call("refresh", {"refresh": token})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


def test_the_refresh_token_of_a_deleted_row_is_invalid(user, call):
    token = issue_tokens(user).refresh
    User.objects.all().delete()
    assert call("refresh", {"refresh": token}).json()["code"] == "token_revoked"


@pytest.mark.parametrize("path", ["refresh", "logout"])
@pytest.mark.parametrize(
    "make",
    [
        lambda user, sign: "nonsense",
        lambda user, sign: issue_tokens(user).access,
        lambda user, sign: sign(claims(user, token_type="refresh")),
        lambda user, sign: sign(claims(user, token_type="refresh", sid="five")),
        lambda user, sign: sign(claims(user, token_type="refresh", sid=5)),
        lambda user, sign: sign(claims(user, token_type="refresh", sid=str(uuid4()), jti="x")),
    ],
    ids=["a word", "access", "without sid", "bad sid", "sid is not text", "bad jti"],
)
def test_an_invalid_refresh_token_is_refused(user, call, sign, path, make):
    answer = call(path, {"refresh": make(user, sign)})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_a_refresh_token_for_another_users_sign_in_is_refused(user, call, sign):
    victim = issue_tokens(user).refresh
    token = RefreshToken.read(victim)
    forged = claims(UserFactory(), token_type="refresh", sid=token["sid"], jti=token["jti"])
    assert call("refresh", {"refresh": sign(forged)}).json()["code"] == "token_revoked"
    assert call("logout", {"refresh": sign(forged)}).status_code == 204
    assert call("refresh", {"refresh": victim}).status_code == 200


def test_logging_out_revokes_the_refresh_token_and_can_be_repeated(user, call):
    token = issue_tokens(user).refresh
    for _ in range(2):
        answer = call("logout", {"refresh": token})
        assert (answer.status_code, answer.content) == (204, b"")
    assert call("refresh", {"refresh": token}).json()["code"] == "token_revoked"


def test_logging_out_with_an_older_token_ends_the_sign_in(user, call):
    first = issue_tokens(user).refresh
    second = call("refresh", {"refresh": first}).json()["refresh"]
    assert call("logout", {"refresh": first}).status_code == 204
    assert call("refresh", {"refresh": second}).json()["code"] == "token_revoked"


def test_logging_out_with_an_expired_refresh_token_is_204(user, call, settings):
    settings.REFRESH_TOKEN_LIFETIME = timedelta(0)
    token = issue_tokens(user).refresh
    assert call("logout", {"refresh": token}).status_code == 204
    assert call("refresh", {"refresh": token}).json()["code"] == "token_expired"


def test_logging_out_works_with_an_unusable_access_token(user, call, sign):
    token = issue_tokens(user)
    expired = sign(claims(user, exp=1))
    headers = {"HTTP_AUTHORIZATION": f"Bearer {expired}"}
    assert call("logout", {"refresh": token.refresh}, **headers).status_code == 204
    headers = {"HTTP_AUTHORIZATION": "Bearer nonsense"}
    assert call("logout", {"refresh": token.refresh}, **headers).status_code == 204


@pytest.fixture
def me(api):
    def get(token):
        return api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {token}").status_code

    return get


def test_the_access_tokens_of_a_sign_in_end_with_it(user, call, me):
    here, elsewhere = issue_tokens(user), issue_tokens(user)
    renewed = call("refresh", {"refresh": here.refresh}).json()
    ours = (here.access, renewed["token"])
    assert [me(token) for token in ours] == [200, 200]
    call("logout", {"refresh": renewed["refresh"]})
    assert [me(token) for token in ours] == [401, 401]
    assert me(elsewhere.access) == 200


def test_access_tokens_end_when_a_used_refresh_token_is_used_again(user, call, me):
    tokens = issue_tokens(user)
    renewed = call("refresh", {"refresh": tokens.refresh}).json()["token"]
    let_grace_period_pass()
    call("refresh", {"refresh": tokens.refresh})
    assert [me(token) for token in (tokens.access, renewed)] == [401, 401]


def test_an_access_token_for_another_users_sign_in_is_refused(user, me, sign):
    sign_in = AccessToken.read(issue_tokens(UserFactory()).access)["sid"]
    assert me(sign(claims(user, sid=sign_in))) == 401


def test_a_sign_in_ends_after_90_days_however_often_it_is_refreshed(user, call):
    tokens = issue_tokens(user)
    SignIn.objects.update(created_at=timezone.now() - timedelta(days=89, hours=12))
    renewed = call("refresh", {"refresh": tokens.refresh}).json()
    last = SignIn.objects.get().expires_at
    assert last - SignIn.objects.get().created_at == timedelta(days=90)
    assert RefreshToken.read(renewed["refresh"])["exp"] == int(last.timestamp())
    assert AccessToken.read(renewed["token"])["exp"] == int(last.timestamp())


def test_a_sign_in_older_than_90_days_is_not_renewed(user, call, me):
    tokens = issue_tokens(user)
    SignIn.objects.update(created_at=timezone.now() - timedelta(days=90))
    answer = call("refresh", {"refresh": tokens.refresh})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert me(tokens.access) == 401


def test_a_change_of_the_token_version_ends_all_sign_ins(user):
    """The database ends them, so no form, command or plain SQL leaves one that looks live."""
    issue_tokens(user), issue_tokens(UserFactory())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users SET token_version = 7 WHERE id = %s", [user.pk])
    assert SignIn.objects.filter(user=user, ended_at=None).count() == 0
    assert SignIn.objects.filter(ended_at=None).count() == 1


def test_accounts_of_forms_and_of_plain_sql_have_random_token_versions(db):
    """The tokens of a lost account are not valid for the one that gets its id after a restore."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users (name, email, password_hash)"
            " SELECT 'Lena', n || '@example.com', '!' FROM generate_series(1, 5) AS n"
        )
    UserFactory.create_batch(5)
    versions = set(User.objects.values_list("token_version", flat=True))
    assert len(versions) == 10
    assert max(versions) > 1000


def test_refreshing_ignores_the_header(user, call):
    token = issue_tokens(user).refresh
    headers = {"HTTP_AUTHORIZATION": "Bearer nonsense"}
    assert call("refresh", {"refresh": token}, **headers).status_code == 200


def test_calls_with_tokens_take_few_queries(user, customer, call, django_assert_max_num_queries):
    tokens = issue_tokens(user)
    with django_assert_max_num_queries(1):
        customer.get("/api/auth/me")
    with django_assert_max_num_queries(5):  # savepoint, user, sign-in twice, release
        call("refresh", {"refresh": tokens.refresh})
    with django_assert_max_num_queries(3):  # savepoint, sign-in, release
        call("logout", {"refresh": tokens.refresh})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/movies", 200),
        ("/api/bookings", 401),
        ("/api/auth/me", 401),
        ("/api/schema", 200),
        ("/api/nothing", 404),
    ],
)
def test_a_refresh_token_in_the_header_is_refused_on_protected_calls(api, user, path, status):
    """On public reads it counts as none, and an unknown address is a 404 with any token."""
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(user).refresh}")
    assert api.get(path).status_code == status
