"""Answers cached in Redis: when they are replayed, and when they expire."""

import pytest
from django.core.cache import caches
from django.utils import timezone
from django_redis import get_redis_connection
from rest_framework.test import APIClient

from accounts.models import User
from bookings.models import IdempotencyRecord
from catalog.models import Seat
from tests.bookings.calls import book_seats, refusal
from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


def test_a_copy_is_replayed(customer: APIClient, seats: list[Seat]) -> None:
    first = book_seats(customer, seats[0], key="k")
    IdempotencyRecord.objects.update(body="{}")
    again = book_seats(customer, seats[0], key="k")
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotency-Replayed"] == "true"
    assert refusal(book_seats(customer, seats[1], key="k")) == (422, "idempotency_key_reused")


def test_a_copy_without_its_record_is_not_replayed(customer: APIClient, seats: list[Seat]) -> None:
    """A restore may have lost the record, and with it the booking."""
    book_seats(customer, seats[0], key="k")
    IdempotencyRecord.objects.all().delete()
    assert refusal(book_seats(customer, seats[0], key="k")) == (409, "seat_unavailable")
    assert book_seats(customer, seats[1], key="k").status_code == 201


def test_a_copy_of_an_earlier_record_is_not_replayed(
    customer: APIClient, seats: list[Seat]
) -> None:
    """After a restore, the same key may have bought something else."""
    book_seats(customer, seats[0], key="k")
    IdempotencyRecord.objects.update(body='{"order": {}}', created_at=timezone.now())
    assert book_seats(customer, seats[0], key="k").content == b'{"order": {}}'


def test_a_copy_is_not_returned_for_a_revoked_token(
    customer: APIClient, user: User, seats: list[Seat]
) -> None:
    book_seats(customer, seats[0], key="k")
    User.objects.filter(pk=user.pk).update(token_version=2)
    assert refusal(book_seats(customer, seats[0], key="k")) == (401, "token_revoked")


def test_a_copy_expires_after_a_day(customer: APIClient, user: User, seats: list[Seat]) -> None:
    book_seats(customer, seats[0], key="k")
    key = caches["idempotency"].make_key(f"{user.pk}:book:k")
    seconds = get_redis_connection("idempotency").ttl(key)
    assert 86_000 < seconds <= 86_400
