"""Two users and every operation of the API: no data of the other user is read or changed."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.db.models import Model, QuerySet
from django.urls import URLResolver, get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import links
from accounts.models import SignIn, User
from accounts.tokens import issue_tokens
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from catalog.models import Seat
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import book, book_seats, bought, held, hold_seats, refusal
from tests.factories import ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

# Every operation of the schema, by what it is about: `public` is readable by everyone, `open`
# needs no login, `own` concerns only the caller, and the others name one object of a user.
# Add new operations here.
MATRIX = {
    **dict.fromkeys(
        (
            "GET /api/movies",
            "GET /api/movies/{id}",
            "GET /api/movies/{movie_id}/shows",
            "GET /api/theatres",
            "GET /api/theatres/{id}",
            "GET /api/theatres/{theatre_id}/shows",
            "GET /api/shows",
            "GET /api/shows/{id}",
            "GET /api/shows/{show_id}/layout",
            "GET /api/shows/{show_id}/seats",
            "GET /api/shows/{show_id}/seats/events",
        ),
        "public",
    ),
    **dict.fromkeys(
        (
            "POST /api/auth/register",
            "POST /api/auth/guest",
            "POST /api/auth/login",
            "POST /api/auth/refresh",
            "POST /api/auth/logout",
            "POST /api/auth/password/reset",
            "POST /api/auth/password/reset/confirm",
            "POST /api/auth/email/confirm",
        ),
        "open",
    ),
    **dict.fromkeys(
        (
            "GET /api/auth/me",
            "PATCH /api/auth/me",
            "DELETE /api/auth/me",
            "GET /api/auth/me/export",
            "POST /api/auth/password/change",
            "POST /api/auth/email/resend",
            "POST /api/auth/guest/claim",
            "GET /api/bookings",
            "POST /api/bookings",
            "GET /api/orders",
            "GET /api/holds",
            "POST /api/holds",
        ),
        "own",
    ),
    "GET /api/bookings/{id}": "booking",
    "POST /api/bookings/{id}/cancel": "booking",
    "GET /api/orders/{reference}": "order",
    "POST /api/orders/{reference}/cancel": "order",
    "GET /api/holds/{id}": "hold",
    "DELETE /api/holds/{id}": "hold",
    "POST /api/holds/{id}/extend": "hold",
}
OWNED = {"booking", "order", "hold"}
# Addresses that are not operations of the API.
PAGES = ("/", "/livez", "/readyz", "/api/docs", "/api/docs/errors", "/api/schema")
# Ids that do not appear in a response by chance.
OWNER_ID, STRANGER_ID = 918_273_645, 746_352_819
# The addresses in the examples of the schema and of the docs.
EXAMPLES = {"customer@example.com", "nora@example.com"}
NEW_USER = {"name": "Pia", "email": "pia@example.com", "password": "seven seals in the bay"}


class Call(NamedTuple):
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def kind(self) -> str:
        return MATRIX[str(self)]

    def by(self, client: APIClient, body: dict[str, object] | None = None, **parts: object) -> Any:
        send = getattr(client, self.method.lower())
        path = self.path.format(**parts)
        if self.method == "GET":
            return send(path)
        return send(path, body or {}, format="json", HTTP_IDEMPOTENCY_KEY=uuid4().hex)


CALLS = [Call(*call.split(" ")) for call in MATRIX]


@pytest.fixture
def owner() -> User:
    return _person(OWNER_ID, name="Olga Owner", email="olga-owner@example.com")


@pytest.fixture
def stranger() -> User:
    return _person(STRANGER_ID, name="Sid Stranger", email="sid-stranger@example.com")


def _person(pk: int, **fields: str) -> User:
    User.objects.filter(pk=UserFactory(password=PASSWORD, **fields).pk).update(id=pk)
    return User.objects.get(pk=pk)


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSSSSSS")


@pytest.fixture
def belongings(
    owner: User, seats: list[Seat], login: Callable[[User], APIClient]
) -> dict[str, dict[str, object]]:
    """The owner's objects, as parts of addresses."""
    client = login(owner)
    order = bought(client, *seats[:2])
    hold = held(client, seats[3])
    parts = {"movie_id": seats[0].show.movie_id, "theatre_id": seats[0].show.theatre_id}
    return {
        "booking": {"id": order["booking"]["id"]},
        "order": {"reference": order["order"]["reference"]},
        "hold": {"id": hold["id"]},
        "public": {"show_id": seats[0].show_id, **parts},
    }


def everything_of(owner: User) -> Iterator[list[dict[str, Any]]]:
    """Yield every row about the owner, and every seat, as they are now."""
    tables: list[QuerySet[Any]] = [
        User.objects.filter(pk=owner.pk),
        Seat.objects.all(),
        *(model.objects.filter(user=owner) for model in _MODELS),
    ]
    for rows in tables:
        yield list(rows.order_by("pk").values())


_MODELS: tuple[Any, ...] = (SignIn, Hold, Order, Booking, IdempotencyRecord)
assert all(issubclass(model, Model) for model in _MODELS)


def public_parts(call: Call, belongings: dict[str, dict[str, object]]) -> dict[str, object]:
    """Return the parts of the address of a public call."""
    parts = belongings["public"]
    resource = call.path.split("/")[2].removesuffix("s")
    return {**parts, "id": parts.get(f"{resource}_id")}


def test_every_call_is_in_the_matrix(api: APIClient) -> None:
    paths = api.get("/api/schema", HTTP_ACCEPT="application/json").json()["paths"]
    methods = ("get", "post", "put", "patch", "delete")
    described = {
        f"{method.upper()} {path}" for path in paths for method in methods if method in paths[path]
    }
    assert described == MATRIX.keys()


def test_every_address_is_described() -> None:
    """Guards the test above: an operation that is not in the schema is not in the matrix."""
    found = {_generic(f"/{path}") for path in _addresses(get_resolver()) if path[:4] == "api/"}
    assert found - {_generic(call.path) for call in CALLS} == {
        *("/api/schema", "/api/docs", "/api/docs/errors"),
    }


def _addresses(resolver: Any, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern, path)
        else:
            yield path


def _generic(path: str) -> str:
    return re.sub(r"[<{][^>}]*[>}]", "*", path)


def test_data_of_another_user_is_not_found(
    owner: User,
    stranger: User,
    belongings: dict[str, dict[str, object]],
    login: Callable[[User], APIClient],
) -> None:
    before = list(everything_of(owner))
    nothing: dict[str, dict[str, object]] = {
        "booking": {"id": 2**53 - 1},
        "order": {"reference": "AAAA-AAAA"},
        "hold": {"id": "00000000-0000-4000-8000-000000000000"},
    }
    for call in CALLS:
        if call.kind in OWNED:
            foreign = call.by(login(stranger), **belongings[call.kind])
            missing = call.by(login(stranger), **nothing[call.kind])
            assert refusal(foreign) == refusal(missing) == (404, f"{call.kind}_not_found"), call
    assert list(everything_of(owner)) == before


def test_only_open_calls_are_served_without_a_token(
    belongings: dict[str, dict[str, object]],
) -> None:
    for call in CALLS:
        if call.kind in OWNED or call.kind == "own":
            answer = call.by(APIClient(), **belongings.get(call.kind, {}))
            assert refusal(answer) == (401, "not_authenticated"), call
        else:
            answer = call.by(APIClient(), **public_parts(call, belongings))
            assert answer.status_code == (200 if call.kind == "public" else 400), call


def test_the_owner_can_make_each_call(
    owner: User,
    belongings: dict[str, dict[str, object]],
    login: Callable[[User], APIClient],
) -> None:
    """Guards the tests above: these calls are not 404 for everybody."""
    client = login(owner)
    order = {"GET": 0, "POST": 1, "DELETE": 2}
    for call in sorted(CALLS, key=lambda call: order.get(call.method, 3)):
        if call.kind in OWNED:
            answer = call.by(client, **belongings[call.kind])
            assert answer.status_code in (200, 204), (call, answer.content)


@pytest.fixture
def attacks(
    owner: User,
    stranger: User,
    seats: list[Seat],
    belongings: dict[str, dict[str, object]],
) -> dict[str, tuple[dict[str, object], int]]:
    """Return the bodies with which another user attacks the owner, and the expected statuses."""
    tokens = issue_tokens(stranger)
    show_id = seats[0].show_id
    return {
        "POST /api/auth/register": ({**NEW_USER, "email": owner.email.upper()}, 400),
        "POST /api/auth/guest": ({"name": "Pia", "email": NEW_USER["email"]}, 201),
        "POST /api/auth/guest/claim": (
            {"uid": str(owner.pk), "token": links.claim_tokens.make_token(stranger)},
            400,
        ),
        "POST /api/auth/login": ({"email": owner.email, "password": "a guess"}, 401),
        "POST /api/auth/refresh": ({"refresh": tokens.refresh}, 200),
        "POST /api/auth/logout": ({"refresh": tokens.refresh}, 204),
        "POST /api/auth/password/reset": ({"email": owner.email}, 202),
        "POST /api/auth/password/reset/confirm": (
            {
                "uid": str(owner.pk),
                "reset_token": links.reset_tokens.make_token(stranger),
                "new_password": "nine newts under stones",
            },
            400,
        ),
        "POST /api/auth/email/confirm": (
            {"uid": str(owner.pk), "token": links.confirmation_tokens.make_token(stranger)},
            400,
        ),
        "PATCH /api/auth/me": ({"name": "Somebody Else"}, 200),
        "POST /api/auth/password/change": (
            {"current_password": PASSWORD, "new_password": "nine newts under stones"},
            204,
        ),
        "DELETE /api/auth/me": ({"password": PASSWORD}, 204),
        "POST /api/auth/email/resend": ({}, 202),
        "POST /api/bookings": ({"hold_id": belongings["hold"]["id"]}, 404),
        "POST /api/holds": ({"show_id": show_id, "seat_ids": [seats[3].pk]}, 409),
    }


def test_no_call_about_another_users_data_changes_or_discloses_anything(
    owner: User,
    stranger: User,
    belongings: dict[str, dict[str, object]],
    attacks: dict[str, tuple[dict[str, object], int]],
    login: Callable[[User], APIClient],
) -> None:
    before = list(everything_of(owner))
    found = dict(User.objects.values().get(pk=stranger.pk))
    assert attacks.keys() == {
        str(call) for call in CALLS if call.method != "GET" and call.kind not in OWNED
    }
    secrets = [str(owner.pk), owner.name, owner.email]
    secrets += [str(belongings["order"]["reference"]), str(belongings["hold"]["id"])]
    for call in CALLS:
        if call.kind in OWNED:
            continue  # its address names the secret; the tests above are about it
        body, status = attacks.get(str(call), ({}, 200))
        answer = call.by(login(stranger), body, **public_parts(call, belongings))
        assert answer.status_code == status, (call, answer.content)
        for secret in secrets:
            assert secret not in answer.content.decode(), call
        User.objects.filter(pk=stranger.pk).update(**found)
    assert list(everything_of(owner)) == before


@pytest.mark.parametrize(
    "end",
    [
        lambda owner: User.objects.filter(pk=owner.pk).update(token_version=2),
        lambda owner: User.objects.filter(pk=owner.pk).update(is_active=False),
        lambda owner: SignIn.objects.filter(user=owner).update(ended_at=timezone.now()),
        lambda owner: SignIn.objects.filter(user=owner).delete(),
    ],
    ids=["revoked", "inactive", "signed out", "sign-in deleted"],
)
def test_a_revoked_token_is_refused_by_every_call(
    owner: User,
    belongings: dict[str, dict[str, object]],
    attacks: dict[str, tuple[dict[str, object], int]],
    login: Callable[[User], APIClient],
    end: Callable[[User], object],
) -> None:
    client = login(owner)
    seat_map = f"/api/shows/{belongings['public']['show_id']}/seats"
    assert b'"mine":true' in client.get(seat_map).content
    end(owner)
    before = list(everything_of(owner))
    for call in CALLS:
        if call.kind in OWNED or call.kind == "own":
            body, _ = attacks.get(str(call), ({}, 0))
            answer = call.by(client, body, **belongings.get(call.kind, {}))
            assert refusal(answer) == (401, "token_revoked"), call
    assert b'"mine":true' not in client.get(seat_map).content
    assert list(everything_of(owner)) == before


def test_public_responses_contain_no_e_mail_address_or_user_id(
    belongings: dict[str, dict[str, object]], owner: User
) -> None:
    answers = [
        call.by(APIClient(), **public_parts(call, belongings))
        for call in CALLS
        if call.kind in ("public", "open")
    ]
    assert len(answers) >= 16
    for answer in [*answers, *(APIClient().get(path) for path in PAGES)]:
        path = answer.request["PATH_INFO"]
        addresses = set(re.findall(r"[\w.+-]+@[\w-]+\.\w+", answer.content.decode()))
        assert addresses <= EXAMPLES, path
        assert str(owner.pk).encode() not in answer.content, path
        if answer["Content-Type"] == "application/json":
            assert all(value is None for value in user_ids(answer.json())), path


def user_ids(answer: Any) -> Iterator[Any]:
    """Yield the value of each `user_id`, at any depth."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name == "user_id":
                yield value
            yield from user_ids(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from user_ids(value)


def test_ids_of_another_users_data_in_a_body_are_not_found(
    owner: User,
    stranger: User,
    seats: list[Seat],
    belongings: dict[str, dict[str, object]],
    login: Callable[[User], APIClient],
) -> None:
    client = login(stranger)
    before = list(everything_of(owner))
    assert refusal(book(client, hold_id=belongings["hold"]["id"])) == (404, "hold_not_found")
    for attempt in (book_seats, hold_seats):
        for seat in (seats[0], seats[3]):
            taken = attempt(client, seat)
            assert refusal(taken) == (409, "seat_unavailable")
            assert str(owner.pk) not in taken.content.decode()
    assert list(everything_of(owner)) == before


def test_equal_keys_of_two_users_are_two_keys(
    owner: User, stranger: User, seats: list[Seat], login: Callable[[User], APIClient]
) -> None:
    first = book_seats(login(owner), seats[0], key="same")
    second = book_seats(login(stranger), seats[1], key="same")
    assert (first.status_code, second.status_code) == (201, 201)
    assert str(owner.pk) not in second.content.decode()
