"""One Idempotency-Key: at most one effect, and always the same answer."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import remove_person
from accounts.tokens import issue_tokens
from booking_site.api.idempotency_keys import KeyInvalid, KeyMissing, read_key
from booking_site.postgres import pipeline
from booking_site.postgres.pipeline import CommitUnknown
from bookings.idempotency import fingerprint
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from catalog.models import Seat
from tests.bookings.calls import (
    book,
    book_seats,
    bought,
    elsewhere,
    held,
    nothing_happened,
    refusal,
    states,
)
from tests.factories import ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


def is_replay(response: Response, of: Response) -> bool:
    return (
        response.status_code == 201
        and response.content == of.content
        and response["Content-Type"] == of["Content-Type"]
        and response.get("Idempotency-Replayed") == "true"
    )


# Keys


@pytest.mark.parametrize(
    "key",
    ["k", "!", "~", "[]", "a b"[:1], "x" * 255, "{'a':1}", "#$%&()*+-./:;<=>?@^_`|", KEY],
)
def test_keys_are_visible_ascii(key: str) -> None:
    assert read_key(key) == key
    assert read_key(f'"{key}"') == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        '""',
        "x" * 256,
        f'"{"x" * 256}"',
        "a b",
        "a,b",
        "a, b",
        'a"b',
        '"a',
        'a"',
        '"a", "b"',
        "a\\b",
        '"a\\"b"',
        "é",
        "\x7f",
        "a\tb",
        "a\n",
        '"a";p=1',
    ],
)
def test_an_invalid_key_is_refused(header: str) -> None:
    with pytest.raises(KeyInvalid):
        read_key(header)


def test_a_key_is_required(customer: APIClient, seats: list[Seat]) -> None:
    with pytest.raises(KeyMissing):
        read_key(None)
    body = {"show_id": seats[0].show_id, "seat_id": seats[0].pk}
    response = customer.post("/api/bookings", body, format="json")
    assert refusal(response) == (400, "idempotency_key_missing")
    assert refusal(book(customer, key="a,b", **body)) == (400, "idempotency_key_invalid")
    assert nothing_happened(*seats)


def test_equal_requests_have_equal_fingerprints() -> None:
    body = {"show_id": 1, "seat_ids": [1, 2]}
    assert fingerprint("book", body) == fingerprint("book", dict(reversed(body.items())))
    others = [("hold", body), ("book", {**body, "seat_ids": [1]}), ("book", {"hold_id": uuid4()})]
    assert len({fingerprint("book", body), *(fingerprint(*other) for other in others)}) == 4


# Replays


def test_a_repeated_call_gets_the_same_bytes(customer: APIClient, seats: list[Seat]) -> None:
    first = book_seats(customer, *seats[:2], key=KEY)
    assert "Idempotency-Replayed" not in first
    for _ in range(2):
        assert is_replay(book_seats(customer, *seats[:2], key=KEY), of=first)
    assert (Order.objects.count(), Booking.objects.count()) == (1, 2)


def test_the_record_alone_suffices(customer: APIClient, seats: list[Seat]) -> None:
    first = book_seats(customer, seats[0], key=KEY)
    caches["idempotency"].clear()
    assert is_replay(book_seats(customer, seats[0], key=KEY), of=first)


def test_a_replay_returns_the_original_answer(customer: APIClient, seats: list[Seat]) -> None:
    first = book_seats(customer, seats[0], key=KEY)
    number = first.json()["booking"]["id"]
    customer.post(f"/api/bookings/{number}/cancel", {}, format="json")
    assert is_replay(book_seats(customer, seats[0], key=KEY), of=first)
    assert states(seats[0]) == ["available"]


def test_a_hold_is_replayed_after_it_was_booked(customer: APIClient, seats: list[Seat]) -> None:
    hold_id = held(customer, *seats[:2])["id"]
    first = book(customer, key=KEY, hold_id=hold_id)
    assert is_replay(book(customer, key=KEY, hold_id=hold_id), of=first)
    assert is_replay(book(customer, key=KEY, hold_id=hold_id.upper()), of=first)


def test_equivalent_bodies_are_the_same_request(customer: APIClient, seats: list[Seat]) -> None:
    show, (one, two) = seats[0].show_id, (seats[0].pk, seats[1].pk)
    single = book(customer, key="single", show_id=show, seat_id=one)
    assert is_replay(book(customer, key="single", show_id=show, seat_ids=[one]), of=single)
    pair = book(customer, key="pair", show_id=show, seat_ids=[two, seats[2].pk])
    swapped = book(customer, key="pair", seat_ids=[seats[2].pk, two], show_id=show)
    assert is_replay(swapped, of=pair)


def test_a_quoted_key_is_the_key_between_the_quotes(customer: APIClient, seats: list[Seat]) -> None:
    first = book_seats(customer, seats[0], key=f'"{KEY}"')
    assert is_replay(book_seats(customer, seats[0], key=KEY), of=first)


def test_a_key_used_for_another_purchase_is_refused(customer: APIClient, seats: list[Seat]) -> None:
    book_seats(customer, seats[0], key=KEY)
    assert refusal(book_seats(customer, seats[1], key=KEY)) == (422, "idempotency_key_reused")
    assert states(*seats[:2]) == ["booked", "available"]


def test_a_refusal_is_not_stored(
    customer: APIClient, seats: list[Seat], login: Callable[[User], APIClient]
) -> None:
    rival = login(UserFactory())
    number = bought(rival, seats[0])["booking"]["id"]
    assert refusal(book_seats(customer, seats[0], key=KEY)) == (409, "seat_unavailable")
    rival.post(f"/api/bookings/{number}/cancel", {}, format="json")
    response = book_seats(customer, seats[0], key=KEY)
    assert (response.status_code, "Idempotency-Replayed" in response) == (201, False)


def test_two_users_may_use_one_key(
    customer: APIClient, seats: list[Seat], login: Callable[[User], APIClient]
) -> None:
    first = book_seats(customer, seats[0], key=KEY)
    other = book_seats(login(UserFactory()), seats[1], key=KEY)
    assert other.status_code == 201
    assert "Idempotency-Replayed" not in other
    assert other.json()["booking"]["id"] != first.json()["booking"]["id"]


def test_a_new_token_of_the_same_user_may_retry(
    customer: APIClient, user: User, seats: list[Seat], api: APIClient
) -> None:
    first = book_seats(customer, seats[0], key=KEY)
    fresh = api.post("/api/auth/refresh", {"refresh": issue_tokens(user).refresh}, format="json")
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {fresh.json()['token']}")
    assert is_replay(book_seats(api, seats[0], key=KEY), of=first)


@pytest.mark.parametrize("change", [{"is_active": False}, {"token_version": 2}])
def test_a_revoked_token_replays_nothing(
    customer: APIClient, user: User, seats: list[Seat], change: dict[str, Any]
) -> None:
    book_seats(customer, seats[0], key=KEY)
    User.objects.filter(pk=user.pk).update(**change)
    assert refusal(book_seats(customer, seats[0], key=KEY)) == (401, "token_revoked")


# The record and its effect


@pytest.mark.django_db(transaction=True)
def test_the_record_commits_with_its_effect_or_not_at_all(
    customer: APIClient, seats: list[Seat]
) -> None:
    """An error at COMMIT rolls both back, and nothing is cached in Redis."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE check_violation; END $$;
            CREATE CONSTRAINT TRIGGER refuse_at_commit AFTER INSERT ON idempotency_records
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
            """
        )
        try:
            with pytest.raises(IntegrityError):
                book_seats(customer, seats[0], key=KEY)
        finally:
            cursor.execute("DROP FUNCTION refuse CASCADE")
    assert nothing_happened(*seats)
    assert not Order.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    response = book_seats(customer, seats[0], key=KEY)
    assert (response.status_code, "Idempotency-Replayed" in response) == (201, False)


def lose_commit(monkeypatch: pytest.MonkeyPatch, do: Callable[..., None]) -> None:
    """Replace the next COMMIT and its writes by `do`, and then lose its result."""

    def commit(connection: Any, writes: Any) -> None:
        monkeypatch.undo()
        do(connection, writes)
        raise CommitUnknown("The connection was lost at COMMIT.")

    monkeypatch.setattr(pipeline, "commit", commit)


@pytest.mark.django_db(transaction=True)
def test_a_lost_commit_is_not_settled_by_a_later_purchase_with_its_key(
    customer: APIClient, user: User, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was rolled back, and the key bought something else before the lookup."""
    other = IdempotencyRecord(
        user=user, operation="book", key=KEY, fingerprint="another", status=201, body="{}"
    )

    def roll_back(connection: Any, writes: Any) -> None:
        connection.connection.rollback()
        elsewhere(other.save)

    lose_commit(monkeypatch, roll_back)
    assert refusal(book_seats(customer, seats[0], key=KEY)) == (422, "idempotency_key_reused")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "of the same call elsewhere"])
def test_a_lost_commit_is_a_replay_only_when_the_same_call_was_answered_elsewhere(
    customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    def commit(connection: Any, writes: Any) -> None:
        *sale, (statement, record) = writes
        body = record["body"] if is_ours else '{"order": {}}'
        pipeline.commit(connection, [*sale, statement(**{**record, "body": body})])

    lose_commit(monkeypatch, commit)
    response = book_seats(customer, seats[0], key=KEY)
    assert response.status_code == 201
    assert ("Idempotency-Replayed" in response) is not is_ours


@pytest.mark.django_db(transaction=True)
def test_a_lost_commit_without_a_record_is_an_unknown_outcome(
    customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_commit(monkeypatch, lambda connection, writes: connection.connection.rollback())
    response = book_seats(customer, seats[0], key=KEY)
    assert refusal(response) == (503, "outcome_unknown")
    assert "Retry-After" in response
    assert book_seats(customer, seats[0], key=KEY).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_lost_commit_is_settled_by_a_transaction_that_writes(
    customer: APIClient, seats: list[Seat], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then does COMMIT wait for the standby, so that the record can't be lost any more."""
    lose_commit(monkeypatch, pipeline.commit)
    with CaptureQueriesContext(connection) as queries:
        assert book_seats(customer, seats[0], key=KEY).status_code == 201
    *_, begin, find, write, commit = [query["sql"] for query in queries]
    assert (begin, commit) == ("BEGIN", "COMMIT")
    assert "FROM idempotency_records" in find
    assert "pg_logical_emit_message(true" in write


@pytest.mark.django_db(transaction=True)
def test_waiting_too_long_for_an_earlier_call_is_a_key_in_progress(
    customer: APIClient, user: User, seats: list[Seat]
) -> None:
    earlier = connection.copy()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        with earlier.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT id FROM users WHERE id = %s FOR UPDATE", [user.pk])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        response = book_seats(customer, seats[0], key=KEY)
    finally:
        earlier.close()
        connection.close()
    assert refusal(response) == (409, "idempotency_key_in_progress")
    assert response["Retry-After"] == "1"
    assert book_seats(customer, seats[0], key=KEY).status_code == 201


def test_removing_a_user_deletes_everything_except_sales_records(
    customer: APIClient,
    user: User,
    seats: list[Seat],
    django_capture_on_commit_callbacks: Any,
) -> None:
    book_seats(customer, seats[0], key=KEY)
    held(customer, seats[1])
    stranger = IdempotencyRecord.objects.create(
        user=UserFactory(), operation="book", key=KEY, fingerprint="f", status=201, body="{}"
    )
    with django_capture_on_commit_callbacks(execute=True):
        remove_person(user_id=user.pk)
    assert list(IdempotencyRecord.objects.all()) == [stranger]
    assert caches["idempotency"].get(f"{user.pk}:book:{KEY}") is None
    assert states(*seats[:2]) == ["booked", "available"]
    assert Hold.objects.get().end_reason == "released"
    assert Booking.objects.get().user == user
