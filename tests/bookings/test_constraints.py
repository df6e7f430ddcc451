"""The database enforces every constraint of the tables of bookings, against plain SQL."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.api.errors import violated_constraint
from bookings.models import Booking
from catalog.models import Seat, Show
from tests.bookings.calls import bought
from tests.factories import SeatFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

HOLD = (
    "INSERT INTO holds (id, user_id, show_id, seat_ids, expires_at, max_expires_at)"
    " VALUES (%(uuid)s, %(user)s, %(show)s, '{}', now(), now())"
)
ORDER = (
    "INSERT INTO orders (reference, user_id, show_id, channel, customer_name, customer_email,"
    " total, currency) VALUES (%(reference)s, %(user)s, %(show)s, 'web', '', '', 1, 'USD')"
)
BOOKING = "INSERT INTO bookings (user_id, show_id, seat_id) VALUES (%(user)s, %(show)s, %(seat)s)"
RECORD = (
    "INSERT INTO idempotency_records (user_id, operation, key, fingerprint, status, body)"
    " VALUES (%(user)s, 'book', 'k', 'f', 201, '')"
)
BROKEN = {
    "hold_one_live_per_user_and_show": [HOLD, HOLD.replace("%(uuid)s", "gen_random_uuid()")],
    "hold_ended_has_reason": [HOLD, "UPDATE holds SET ended_at = now()"],
    "hold_ends_within_its_limit": [
        HOLD,
        "UPDATE holds SET expires_at = max_expires_at + interval '1 microsecond'",
    ],
    "order_reference_unique": [ORDER, ORDER],
    "order_channel_known": [ORDER, "UPDATE orders SET channel = 'phone'"],
    "order_without_user_only_at_box_office": [ORDER, "UPDATE orders SET user_id = NULL"],
    "order_status_known": [ORDER, "UPDATE orders SET status = 'lost'"],
    "order_language_known": [ORDER, "UPDATE orders SET language = 'tlh'"],
    "order_confirmation_due_or_sent": [
        ORDER,
        "UPDATE orders SET confirmation_due_at = now(), confirmation_sent_at = now()",
    ],
    "order_total_not_negative": [ORDER, "UPDATE orders SET total = -0.01"],
    "booking_one_live_per_seat": [BOOKING, BOOKING.replace("%(user)s", "%(other_user)s")],
    "booking_price_not_negative": [BOOKING, "UPDATE bookings SET price = -0.01"],
    "booking_without_user_has_order": [BOOKING, "UPDATE bookings SET user_id = NULL"],
    "booking_seat_in_show": [BOOKING.replace("%(show)s", "%(other_show)s")],
    "booking_order_in_show": [
        ORDER.replace("%(show)s", "%(other_show)s"),
        BOOKING,
        "UPDATE bookings SET order_id = (SELECT max(id) FROM orders)",
    ],
    "idempotency_one_per_key": [RECORD, RECORD],
    "idempotency_records_status_check": [RECORD, "UPDATE idempotency_records SET status = -1"],
}
# Follows from the primary key; a foreign key points at it.
IMPLIED = {"order_with_show"}
TABLES = ("holds", "orders", "bookings", "idempotency_records")


@pytest.fixture
def rows(user: User) -> dict[str, Any]:
    seat = SeatFactory()
    return {
        "uuid": uuid4(),
        "reference": "AAAA-AAAA",
        "user": user.pk,
        "other_user": UserFactory().pk,
        "show": seat.show_id,
        "other_show": ShowFactory().pk,
        "seat": seat.pk,
    }


def run(statement: str, rows: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, rows)


def run_checked(statement: str, values: dict[str, Any]) -> None:
    """Run it, and check its foreign keys now instead of at COMMIT."""
    run(statement, values)
    run("SET CONSTRAINTS ALL IMMEDIATE", {})


@pytest.mark.parametrize("constraint", BROKEN)
def test_a_constraint_refuses_plain_sql(constraint: str, rows: dict[str, Any]) -> None:
    *allowed, forbidden = BROKEN[constraint]
    for statement in allowed:
        run(statement, rows)
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        run(forbidden, rows)
    assert violated_constraint(refused.value) == constraint


def test_no_named_constraint_is_left_untested() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conname FROM pg_constraint
             WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('c', 'u')
             UNION SELECT conname FROM pg_constraint
             WHERE conrelid = ANY(%s::regclass[]) AND contype = 'f' AND cardinality(conkey) > 1
             UNION SELECT indexrelid::regclass::name FROM pg_index
             WHERE indrelid = ANY(%s::regclass[]) AND indisunique AND NOT indisprimary
            """,
            [list(TABLES)] * 3,
        )
        named = {name for (name,) in cursor.fetchall()}
    assert named == BROKEN.keys() | IMPLIED


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        (HOLD, {"user": -1}),
        (HOLD, {"show": -1}),
        (ORDER, {"user": -1}),
        (ORDER, {"show": -1}),
        (BOOKING, {"user": -1}),
        (BOOKING, {"seat": -1}),
        (RECORD, {"user": -1}),
    ],
)
def test_a_row_cannot_refer_to_a_missing_one(
    statement: str, wrong: dict[str, int], rows: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        run_checked(statement, {**rows, **wrong})


def test_a_cancelled_booking_leaves_room_for_the_next(rows: dict[str, Any]) -> None:
    run(BOOKING, rows)
    run("UPDATE bookings SET cancelled_at = now()", rows)
    run(BOOKING, rows)
    assert Booking.objects.count() == 2


@pytest.mark.parametrize("table", ["seats", "shows", "users"])
def test_booked_rows_cannot_be_deleted(table: str, rows: dict[str, Any]) -> None:
    run(BOOKING, rows)
    with pytest.raises(IntegrityError), transaction.atomic():
        run_checked(f"DELETE FROM {table}", rows)


def test_a_booking_of_the_original_system_is_in_the_owners_history(
    login: Callable[[User], APIClient],
) -> None:
    with connection.cursor() as cursor:

        def insert(table: str, **columns: Any) -> int:
            names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
            cursor.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id",
                list(columns.values()),
            )
            return int(cursor.fetchone()[0])

        user = insert("users", name="Ann", email="ann@example.com", password_hash="bcrypt$x")
        movie = insert("movies", title="Film", description="Plain.")
        theatre = insert("theatres", name="Hall", location="Main Street")
        show = insert("shows", movie_id=movie, theatre_id=theatre, start_time="2031-01-01T20:00Z")
        seat = insert("seats", show_id=show, row="A", number=1, price="15.00", status="booked")
        booking = insert("bookings", user_id=user, show_id=show, seat_id=seat)

    client = login(User.objects.get(pk=user))
    document = client.get(f"/api/bookings/{booking}").json()
    facts = ("user_id", "movie_title", "row", "number", "price", "currency", "order_reference")
    assert [document[fact] for fact in facts] == [user, "Film", "A", 1, "15.00", "USD", None]
    assert document["start_time"] == "2031-01-01T20:00:00Z"
    assert client.get(f"/api/shows/{show}/seats").json()[0]["user_id"] == user
    cancelled = client.post(f"/api/bookings/{booking}/cancel", {}, format="json")
    assert cancelled.json()["status"] == "cancelled"
    bought(client, Seat.objects.get(pk=seat))


def test_seats_are_deleted_with_their_show_unless_booked() -> None:
    show = ShowFactory()
    make_seats(show, "SS")
    Show.objects.get(pk=show.pk).delete()
    assert not Seat.objects.exists()
