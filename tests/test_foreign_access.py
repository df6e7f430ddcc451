"""Two people and every call of the description: nothing foreign is read, changed or told."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.db.models import Model, QuerySet
from rest_framework.test import APIClient

from accounts.models import SignIn, User
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from catalog.models import Seat
from tests.bookings.calls import book, book_seats, bought, held, hold_seats, refusal
from tests.factories import ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete")
# What stands in an address, by whose it is. A new address must be put into one of these.
PUBLIC = {
    "/api/movies/{id}",
    "/api/movies/{movie_id}/shows",
    "/api/theatres/{id}",
    "/api/theatres/{theatre_id}/shows",
    "/api/shows/{id}",
    "/api/shows/{show_id}/seats",
}
OWNED = {
    "/api/bookings/{id}": "booking",
    "/api/bookings/{id}/cancel": "booking",
    "/api/orders/{reference}": "order",
    "/api/orders/{reference}/cancel": "order",
    "/api/holds/{id}": "hold",
    "/api/holds/{id}/extend": "hold",
}
# An id that is found in no text by chance.
OWNER_ID, STRANGER_ID = 918_273_645, 746_352_819


class Call(NamedTuple):
    method: str
    path: str

    def by(self, client: APIClient, **parts: object) -> Any:
        send = getattr(client, self.method)
        path = self.path.format(**parts)
        return send(path) if self.method == "get" else send(path, {}, format="json")


@pytest.fixture
def calls(api: APIClient) -> list[Call]:
    paths = api.get("/api/schema", HTTP_ACCEPT="application/json").json()["paths"]
    return [
        Call(method, path) for path, item in paths.items() for method in METHODS if method in item
    ]


@pytest.fixture
def owner() -> User:
    return _person(OWNER_ID, name="Olga Owner", email="olga-owner@example.com")


@pytest.fixture
def stranger() -> User:
    return _person(STRANGER_ID, name="Sid Stranger", email="sid-stranger@example.com")


def _person(pk: int, **fields: str) -> User:
    User.objects.filter(pk=UserFactory(**fields).pk).update(id=pk)
    return User.objects.get(pk=pk)


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSSSSSS")


@pytest.fixture
def belongings(
    owner: User, seats: list[Seat], login: Callable[[User], APIClient]
) -> dict[str, dict[str, object]]:
    """What the owner has, as parts of addresses."""
    client = login(owner)
    order = bought(client, *seats[:2])
    kept = held(client, seats[3])
    parts = {"movie_id": seats[0].show.movie_id, "theatre_id": seats[0].show.theatre_id}
    return {
        "booking": {"id": order["booking"]["id"]},
        "order": {"reference": order["order"]["reference"]},
        "hold": {"id": kept["id"]},
        "show": {"id": seats[0].show_id, "show_id": seats[0].show_id, **parts},
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


def test_every_address_is_either_public_or_somebodys(calls: list[Call]) -> None:
    assert {call.path for call in calls if "{" in call.path} == PUBLIC | OWNED.keys()


def test_what_is_foreign_is_as_if_it_did_not_exist(
    calls: list[Call],
    owner: User,
    stranger: User,
    belongings: dict[str, dict[str, object]],
    login: Callable[[User], APIClient],
) -> None:
    before = list(everything_of(owner))
    nothing: dict[str, dict[str, object]] = {
        "booking": {"id": 2**62},
        "order": {"reference": "AAAA-AAAA"},
        "hold": {"id": "00000000-0000-4000-8000-000000000000"},
    }
    owned = [call for call in calls if call.path in OWNED]
    assert len(owned) >= 7
    for call in owned:
        kind = OWNED[call.path]
        foreign = call.by(login(stranger), **belongings[kind])
        missing = call.by(login(stranger), **nothing[kind])
        assert refusal(foreign) == refusal(missing) == (404, f"{kind}_not_found"), call
        assert call.by(APIClient(), **belongings[kind]).status_code == 401, call
    assert list(everything_of(owner)) == before


def test_the_owner_reaches_each_of_them(
    calls: list[Call],
    owner: User,
    belongings: dict[str, dict[str, object]],
    login: Callable[[User], APIClient],
) -> None:
    """Guards the test above: there, 404 was not for everybody."""
    client = login(owner)
    order = {"get": 0, "post": 1, "delete": 2}
    for call in sorted(calls, key=lambda call: order.get(call.method, 3)):
        if call.path in OWNED:
            answer = call.by(client, **belongings[OWNED[call.path]])
            assert answer.status_code in (200, 204), (call, answer.content)


def test_no_call_of_a_stranger_changes_or_tells_anything(
    calls: list[Call],
    owner: User,
    stranger: User,
    belongings: dict[str, dict[str, object]],
    login: Callable[[User], APIClient],
) -> None:
    before = list(everything_of(owner))
    parts = {name: value for kind in belongings.values() for name, value in kind.items()}
    for call in calls:
        if call.path in PUBLIC:
            parts |= belongings["show"]
        if "/movies/{id}" in call.path or "/theatres/{id}" in call.path:
            parts["id"] = parts["movie_id" if "movies" in call.path else "theatre_id"]
        for client in (APIClient(), login(stranger)):
            answer = call.by(client, **parts)
            text = answer.content.decode()
            assert owner.email not in text, call
            assert owner.name not in text, call
            assert str(owner.pk) not in text, call
            if call.path in PUBLIC:
                assert answer.status_code == 200, call
        User.objects.filter(pk=stranger.pk).update(token_version=1, is_active=True)
    assert list(everything_of(owner)) == before


def test_public_answers_have_no_e_mail_address_and_nobodys_id(
    calls: list[Call], belongings: dict[str, dict[str, object]], owner: User
) -> None:
    read = 0
    for call in calls:
        if call.method != "get" or ("{" in call.path and call.path not in PUBLIC):
            continue
        parts = dict(belongings["show"])
        if "/movies/{id}" in call.path or "/theatres/{id}" in call.path:
            parts["id"] = parts["movie_id" if "movies" in call.path else "theatre_id"]
        answer = call.by(APIClient(), **parts)
        if answer.status_code != 200:
            assert answer.status_code == 401, call
            continue
        read += 1
        assert not re.search(rb"[\w.+-]+@[\w-]+\.\w", answer.content), call
        assert all(value is None for value in user_ids(json.loads(answer.content))), call
    assert read >= 9


def user_ids(answer: Any) -> Iterator[Any]:
    """Yield what stands beside each `user_id`, however deep."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name == "user_id":
                yield value
            yield from user_ids(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from user_ids(value)


def test_foreign_things_in_a_body_do_not_exist_either(
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


def test_equal_keys_of_two_people_are_two_keys(
    owner: User, stranger: User, seats: list[Seat], login: Callable[[User], APIClient]
) -> None:
    first = book_seats(login(owner), seats[0], key="same")
    second = book_seats(login(stranger), seats[1], key="same")
    assert (first.status_code, second.status_code) == (201, 201)
    assert str(owner.pk) not in second.content.decode()
