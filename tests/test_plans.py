"""Plans at a million seats: no growing table is read from end to end, every index has a reader."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.links import claim_tokens, confirmation_tokens, reset_tokens
from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.back_office.large_tables import BoundedPaginator
from bookings.box_office.queries import ids_of_orders
from bookings.confirmations import backlog, retry_now, send_next
from bookings.models import Booking, Hold, Order
from bookings.services.housekeeping import (
    delete_old_rows,
    purge_idempotency_records,
    release_expired_holds,
)
from bookings.show_changes.cancelling import cancel_orders, cancel_show, live_purchases
from catalog.models import Seat, Show, Theatre
from tests import million_seats
from tests.back_office_lists import pages, staff_of
from tests.factories import ShowFactory, UserFactory
from tests.query_plans import (
    Reads,
    Statement,
    reads_of,
    reads_of_execution,
    rows_read,
    statements_of,
)

GROWING = frozenset(
    {"shows", "seats", "holds", "orders", "bookings", "idempotency_records", "counted_shows"}
    | {"users", "sign_ins", "audit_entries"}
)
MOST_ROWS = 5_000  # of those that a page of the back office reads before its 50 are found
PASSWORD = "five frogs on a log"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an operation. Calls are made in order, so earlier ones have had their effect."""

    operation: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    key: str = ""
    status: int = 200


def reads(buyer: User, show: Show) -> Iterator[Call]:
    """Every GET with each of its filters, alone and together."""
    movie, theatre = show.movie_id, show.theatre_id
    day, end = show.start_time.date(), show.start_time + timedelta(days=2)
    times = [
        "",
        f"date={day}",
        f"from={show.start_time:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}",
        "include_past=true",
        f"updated_since={timezone.now() - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}",
        f"include_past=true&to={show.start_time:%Y-%m-%dT%H:%M:%SZ}&page=8",
        f"include_past=true&date={day - timedelta(days=60)}",
        "format=imax",
        "format=imax&language=german&include_past=true",
        "language=german",
    ]
    for query in [*times, f"movie={movie}&theatre={theatre}", f"theatre={theatre}&date={day}"]:
        yield Call("shows_list", "get", f"/api/shows?page_size=20&{query}")
    for query in [*times, f"theatre={theatre}", f"theatre={theatre}&date={day}"]:
        yield Call("movie_shows_list", "get", f"/api/movies/{movie}/shows?{query}")
    for query in [*times, f"movie={movie}", f"movie={movie}&date={day}"]:
        yield Call("theatre_shows_list", "get", f"/api/theatres/{theatre}/shows?{query}")
    for query in [
        "",
        "search=movie",
        "genre=drama",
        "language=german",
        f"theatre={theatre}",
        f"date={day}",
        "now_showing=true",
        f"theatre={theatre}&date={day}",
        f"theatre={theatre}&now_showing=true",
        f"theatre={theatre}&date={day}&now_showing=true&search=movie&genre=drama",
    ]:
        yield Call("movies_list", "get", f"/api/movies?page_size=20&{query}")
    yield Call("theatres_list", "get", "/api/theatres")
    yield Call("movies_read", "get", f"/api/movies/{movie}")
    yield Call("theatres_read", "get", f"/api/theatres/{theatre}")
    yield Call("shows_read", "get", f"/api/shows/{show.pk}")
    yield Call("show_layout_read", "get", f"/api/shows/{show.pk}/layout")
    yield Call("show_seats_list", "get", f"/api/shows/{show.pk}/seats")
    yield Call("show_seats_list", "get", f"/api/shows/{show.pk}/seats?fields=status")
    yield Call("show_seats_events", "get", f"/api/shows/{show.pk}/seats/events")
    for upcoming in ("", "&upcoming=true", "&upcoming=false"):
        for status in ("", "confirmed", "cancelled"):
            yield Call("bookings_list", "get", f"/api/bookings?status={status}{upcoming}")
        for status in ("", "confirmed", "partially_cancelled", "cancelled"):
            yield Call("orders_list", "get", f"/api/orders?status={status}{upcoming}&page_size=5")
    booking = Booking.objects.filter(user=buyer)[0]
    order = Order.objects.filter(user=buyer)[0]
    yield Call("bookings_read", "get", f"/api/bookings/{booking.pk}")
    yield Call("orders_read", "get", f"/api/orders/{order.reference}")
    yield Call("auth_me", "get", "/api/auth/me")
    yield Call("auth_me_export", "get", "/api/auth/me/export")


def purchases(buyer: User, show: Show) -> Iterator[Call]:
    """Yield calls that hold, book, retry, are refused and cancel."""
    free = Seat.objects.free().filter(show=show).values_list("pk", flat=True)
    first, second, third, *_ = free
    body = {"show_id": show.pk, "seat_ids": [first, second]}

    def live_hold() -> str:
        return str(Hold.objects.get(user=buyer, show=show, ended_at=None).pk)

    yield Call("holds_create", "post", "/api/holds", body, status=201)
    yield Call("holds_create", "post", "/api/holds", {"show_id": show.pk, "seat_ids": [third]})
    yield Call("holds_list", "get", "/api/holds")
    yield Call("holds_read", "get", f"/api/holds/{live_hold()}")
    yield Call("holds_extend", "post", f"/api/holds/{live_hold()}/extend", {})
    yield Call("holds_release", "delete", f"/api/holds/{live_hold()}", status=204)
    best = {"show_id": show.pk, "quantity": 2}
    yield Call("holds_create", "post", "/api/holds", best, status=201)
    of_hold = {"hold_id": live_hold()}
    yield Call("bookings_create", "post", "/api/bookings", of_hold, key="held", status=201)
    yield Call("bookings_create", "post", "/api/bookings", body, key="new", status=201)
    yield Call("bookings_create", "post", "/api/bookings", body, key="new", status=201)
    yield Call("bookings_create", "post", "/api/bookings", body, key="late", status=409)
    bought = Booking.objects.filter(user=buyer, seat=first)[0]
    yield Call("bookings_cancel", "post", f"/api/bookings/{bought.pk}/cancel", {})
    assert bought.order is not None
    reference = bought.order.reference
    yield Call("orders_cancel", "post", f"/api/orders/{reference}/cancel", {})


def accounts(buyer: User) -> Iterator[Call]:
    """Yield all other calls; the last one removes the buyer."""
    new = {"name": "Nina New", "email": "nina@example.com", "password": PASSWORD}
    yield Call("auth_register", "post", "/api/auth/register", new, status=201)
    known = {"email": buyer.email, "password": PASSWORD}
    yield Call("auth_login", "post", "/api/auth/login", known)
    yield Call(
        "auth_refresh", "post", "/api/auth/refresh", {"refresh": issue_tokens(buyer).refresh}
    )
    yield Call(
        "auth_logout",
        "post",
        "/api/auth/logout",
        {"refresh": issue_tokens(buyer).refresh},
        status=204,
    )
    yield Call("auth_me_update", "patch", "/api/auth/me", {"name": "Lena Lion"})
    yield Call("auth_email_resend", "post", "/api/auth/email/resend", {}, status=202)
    link = {"uid": str(buyer.pk), "token": confirmation_tokens.make_token(buyer)}
    yield Call("auth_email_confirm", "post", "/api/auth/email/confirm", link, status=204)
    yield Call(
        "auth_password_reset",
        "post",
        "/api/auth/password/reset",
        {"email": buyer.email},
        status=202,
    )
    guest = {"name": "Gil Guest", "email": "gil@example.com"}
    yield Call("auth_guest", "post", "/api/auth/guest", guest, status=201)
    row = User.objects.get(contact_email=guest["email"])
    link = {"uid": str(row.pk), "token": claim_tokens.make_token(row)}
    yield Call("auth_guest_claim", "post", "/api/auth/guest/claim", link, status=204)
    changed = {"current_password": PASSWORD, "new_password": PASSWORD[::-1]}
    yield Call("auth_password_change", "post", "/api/auth/password/change", changed, status=204)
    buyer.refresh_from_db()
    yield Call(
        "auth_password_reset_confirm",
        "post",
        "/api/auth/password/reset/confirm",
        {
            "uid": str(buyer.pk),
            "reset_token": reset_tokens.make_token(buyer),
            "new_password": PASSWORD,
        },
        status=204,
    )
    yield Call("auth_me_delete", "delete", "/api/auth/me", {"password": PASSWORD}, status=204)


def a_frequent_buyer() -> User:
    """Return a customer with a past, who can log in."""
    buyer = UserFactory(password=PASSWORD)
    Order.objects.filter(user_id=1001).update(user=buyer)
    Booking.objects.filter(user_id=1001).update(user=buyer)
    Hold.objects.filter(user_id=1001).update(user=buyer)
    return buyer


def jobs(staff: User, show: Show) -> Iterator[Callable[[], Any]]:
    """What the worker and the back office do, and what deletes a show."""
    yield send_next
    yield backlog
    yield retry_now
    yield lambda: release_expired_holds(batch=100)
    yield lambda: purge_idempotency_records(batch=100)
    yield lambda: delete_old_rows(batch=100)
    yield lambda: list(Order.objects.unsent().order_by("-created_at")[:50])
    orders = live_purchases(show.pk)
    yield lambda: cancel_show(show_id=show.pk, orders=orders, reason="Broken", actor=staff)
    yield lambda: cancel_orders.call(show_id=show.pk)


# What PostgreSQL asks by itself for the foreign keys, when a show or a seat is deleted.
_OF_FOREIGN_KEYS = [
    Statement("SELECT 1 FROM holds WHERE show_id = %s FOR KEY SHARE", (1001,)),
    Statement("SELECT 1 FROM orders WHERE show_id = %s FOR KEY SHARE", (1001,)),
    Statement("SELECT 1 FROM bookings WHERE show_id = %s FOR KEY SHARE", (1001,)),
    Statement("SELECT 1 FROM bookings WHERE seat_id = %s AND show_id = %s", (1001, 1001)),
]


def indexes_to_explain() -> set[str]:
    """Return the indexes that a sale pays for, those of constraints left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT indexrelid::regclass::text FROM pg_index
             WHERE NOT indisunique AND indrelid = ANY(ARRAY['holds', 'seats', 'orders', 'bookings',
                                                            'idempotency_records']::regclass[])
            """
        )
        return {name for (name,) in cursor}


def operations(api: APIClient) -> set[str]:
    paths = api.get("/api/schema", HTTP_ACCEPT="application/json").json()["paths"]
    return {
        operation["operationId"]
        for path in paths.values()
        for operation in path.values()
        if isinstance(operation, dict)
    }


class PlanChecker:
    """Collects which tables are read whole and which indexes are used."""

    def __init__(self) -> None:
        self.violations: dict[str, None] = {}
        self.indexes: set[str] = set()
        self._seen: set[str] = set()

    def check(self, statements: Iterable[Statement], name: str) -> None:
        """By the plans: a call of the API may be prepared, and made for any values."""
        self._check(statements, name, lambda each: reads_of(each, GROWING))

    def check_page(self, statements: Iterable[Statement], name: str) -> None:
        """By what is read: a list of the back office is only ever run with its values."""
        self._check(statements, name, lambda each: reads_of_execution(each, GROWING, MOST_ROWS))

    def _check(
        self, statements: Iterable[Statement], name: str, reads_by: Callable[[Statement], Reads]
    ) -> None:
        for statement in statements:
            if (text := f"{statement.text} {statement.values}") not in self._seen:
                self._seen.add(text)
                whole, indexes = reads_by(statement)
                self.indexes |= indexes
                self.violations |= {f"{name}: {each}\n  {statement.text}": None for each in whole}


def statements_of_call(
    call: Call, buyer: User, login: Callable[[User], APIClient]
) -> list[Statement]:
    """Make the call and return what it asks of the growing tables."""
    buyer.refresh_from_db()
    client = login(buyer)
    caches["idempotency"].clear()  # as if Redis had no copy: PostgreSQL is asked
    headers = {"HTTP_IDEMPOTENCY_KEY": call.key or uuid4().hex}
    with statements_of(GROWING) as statements:
        answer = getattr(client, call.method)(call.path, call.body, format="json", **headers)
    assert answer.status_code == call.status, f"{call}: {answer.content}"
    return statements


def pages_of_the_back_office() -> Iterator[tuple[str, list[Statement]]]:
    theatre = Theatre.objects.earliest("id")
    for user in staff_of(theatre):
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        for page in pages(theatre):
            with statements_of(GROWING) as statements:
                answer = client.get(page)
            assert answer.status_code in (200, 302), page
            yield page, statements


@pytest.mark.django_db(transaction=True, reset_sequences=True)  # ids of the tables start at 1001
def test_no_growing_table_is_read_from_end_to_end_and_every_index_is_read(
    api: APIClient,
    login: Callable[[User], APIClient],
    staff: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In proportion to a million seats, as the real limit is to twenty million.
    monkeypatch.setattr(BoundedPaginator, "most_counted", 500)
    million_seats.fill()
    # The measure works: this cannot be answered from an index.
    by_price = Statement("SELECT * FROM seats WHERE price = %s", (1,))
    assert reads_of(by_price, GROWING).whole
    by_id = Statement("SELECT * FROM seats WHERE id = %(seat)s", {"seat": 1})
    assert not reads_of(by_id, GROWING).whole

    buyer = a_frequent_buyer()
    show = Show.objects.listed().filter(start_time__gt=timezone.now() + timedelta(days=20))[0]
    called: set[str] = set()
    checker = PlanChecker()
    for calls in (reads(buyer, show), purchases(buyer, show), accounts(buyer)):
        for call in calls:
            called.add(call.operation)
            name = f"{call.operation} {call.path}"
            checker.check(statements_of_call(call, buyer, login), name)
    for job in jobs(staff, show):
        with statements_of(GROWING) as statements:
            job()
        checker.check(statements, str(job))
    checker.check(_OF_FOREIGN_KEYS, "foreign keys")
    for page, statements in pages_of_the_back_office():
        checker.check_page(statements, page)
    assert not checker.violations, "\n".join(checker.violations)
    assert called == operations(api)
    assert indexes_to_explain() - checker.indexes == set()


@pytest.mark.django_db(transaction=True)  # a rollback would leave a large table
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("format=imax", "show_by_folded_format"),
        ("language=FRANCAIS&include_past=true", "show_by_folded_language"),
    ],
)
def test_a_list_of_one_format_or_language_reads_only_its_shows(
    api: APIClient, query: str, index: str
) -> None:
    show = ShowFactory()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO shows (movie_id, theatre_id, start_time, format, language)
            SELECT %s, %s, now() + n * interval '1 minute',
                   CASE WHEN n %% 1000 = 0 THEN 'IMAX' ELSE '2D' END,
                   CASE WHEN n %% 1000 = 0 THEN 'Français' ELSE 'en' END
              FROM generate_series(1, 50000) AS n
            """,
            [show.movie_id, show.theatre_id],
        )
        cursor.execute("ANALYZE shows")
    with statements_of(frozenset({"shows"})) as statements:
        assert api.get(f"/api/shows?{query}")["X-Total-Count"] == "50"
    (statement,) = statements
    assert rows_read(statement, "shows") == 2 * 50  # the page and the total
    assert index in reads_of(statement, frozenset({"shows"})).indexes


@pytest.mark.django_db(transaction=True)  # a rollback would leave large tables
def test_a_word_that_no_user_has_is_looked_up_in_an_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("""
            INSERT INTO users (name, email, password_hash)
            SELECT 'Customer ' || n, 'customer' || n || '@example.com', '!'
              FROM generate_series(1, 100000) AS n
        """)
        cursor.execute("ANALYZE users")
    with statements_of(frozenset({"users"})) as statements:
        assert User.objects.ids_matching("Nobody") == []
    assert [rows_read(each, "users") for each in statements] == [0]


@pytest.mark.django_db(transaction=True)  # a rollback would leave large tables
def test_a_word_that_no_walk_in_customer_has_is_looked_up_in_an_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO orders (reference, show_id, channel, customer_name, customer_email,
                                total, currency)
            SELECT lpad(n::text, 9, '0'), %s, 'box_office', 'Customer ' || n, '', 0, 'USD'
              FROM generate_series(1, 100000) AS n
            """,
            [ShowFactory().pk],
        )
        cursor.execute("ANALYZE orders")
    with statements_of(frozenset({"orders"})) as statements:
        assert ids_of_orders("Nobody") == []
    assert [rows_read(each, "orders") for each in statements] == [0, 0]
    newest = Order.objects.order_by("-pk").values_list("pk", flat=True)
    assert ids_of_orders("Customer 100000") == [newest[0]]
