"""No call of the API reads a table that grows from end to end: plans, at a million seats."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.links import confirmation_tokens, reset_tokens
from accounts.models import User
from accounts.tokens import issue_tokens
from bookings.models import Booking, Hold, Order
from catalog.models import Seat, Show
from tests import million_seats
from tests.factories import UserFactory
from tests.query_plans import Statement, statements_of, whole_reads

GROWING = frozenset(
    {"shows", "seats", "holds", "orders", "bookings", "idempotency_records", "counted_shows"}
)
PASSWORD = "five frogs on a log"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an operation, made as it is reached: what comes before has happened by then."""

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
        f"include_past=true&to={show.start_time:%Y-%m-%dT%H:%M:%SZ}&page=8",
        f"include_past=true&date={day - timedelta(days=60)}",
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
    yield Call("show_seats_list", "get", f"/api/shows/{show.pk}/seats")
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
    """Hold, book, repeat, be refused, cancel."""
    free = Seat.objects.free().filter(show=show).values_list("pk", flat=True)
    first, second, third, *_ = free
    wish = {"show_id": show.pk, "seat_ids": [first, second]}

    def live_hold() -> str:
        return str(Hold.objects.get(user=buyer, show=show, ended_at=None).pk)

    yield Call("holds_create", "post", "/api/holds", wish, status=201)
    yield Call("holds_create", "post", "/api/holds", {"show_id": show.pk, "seat_ids": [third]})
    yield Call("holds_list", "get", "/api/holds")
    yield Call("holds_read", "get", f"/api/holds/{live_hold()}")
    yield Call("holds_extend", "post", f"/api/holds/{live_hold()}/extend", {})
    yield Call("holds_release", "delete", f"/api/holds/{live_hold()}", status=204)
    best = {"show_id": show.pk, "quantity": 2}
    yield Call("holds_create", "post", "/api/holds", best, status=201)
    of_hold = {"hold_id": live_hold()}
    yield Call("bookings_create", "post", "/api/bookings", of_hold, key="held", status=201)
    yield Call("bookings_create", "post", "/api/bookings", wish, key="new", status=201)
    yield Call("bookings_create", "post", "/api/bookings", wish, key="new", status=201)
    yield Call("bookings_create", "post", "/api/bookings", wish, key="late", status=409)
    bought = Booking.objects.filter(user=buyer, seat=first)[0]
    yield Call("bookings_cancel", "post", f"/api/bookings/{bought.pk}/cancel", {})
    assert bought.order is not None
    reference = bought.order.reference
    yield Call("orders_cancel", "post", f"/api/orders/{reference}/cancel", {})


def accounts(buyer: User) -> Iterator[Call]:
    """Everything else; the last call removes the buyer."""
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


def operations(api: APIClient) -> set[str]:
    paths = api.get("/api/schema", HTTP_ACCEPT="application/json").json()["paths"]
    return {
        operation["operationId"]
        for path in paths.values()
        for operation in path.values()
        if isinstance(operation, dict)
    }


def offences(
    call: Call, buyer: User, login: Callable[[User], APIClient], seen: set[str]
) -> Iterator[str]:
    """Make the call and yield what it reads whole; `seen` are texts that have been judged."""
    buyer.refresh_from_db()
    client = login(buyer)
    caches["idempotency"].clear()  # as if Redis had no copy: PostgreSQL is asked
    headers = {"HTTP_IDEMPOTENCY_KEY": call.key or uuid4().hex}
    with statements_of(GROWING) as statements:
        answer = getattr(client, call.method)(call.path, call.body, format="json", **headers)
    if answer.status_code != call.status:
        yield f"{call}: {answer.status_code} {answer.content}"
    for statement in statements:
        if (text := f"{statement.text} {statement.values}") not in seen:
            seen.add(text)
            for whole in whole_reads(statement, GROWING):
                yield f"{call.operation}: {whole}\n  {call.path}\n  {statement.text}"


@pytest.mark.django_db(transaction=True)
def test_no_call_reads_a_growing_table_from_end_to_end(
    api: APIClient, login: Callable[[User], APIClient]
) -> None:
    million_seats.fill()
    # The measure works: this cannot be answered from an index.
    by_price = Statement("SELECT * FROM seats WHERE price = %s", (1,))
    assert whole_reads(by_price, GROWING)
    by_id = Statement("SELECT * FROM seats WHERE id = %(seat)s", {"seat": 1})
    assert not whole_reads(by_id, GROWING)

    buyer = a_frequent_buyer()
    show = Show.objects.listed().filter(start_time__gt=timezone.now() + timedelta(days=20))[0]
    seen: set[str] = set()
    called: set[str] = set()
    found: list[str] = []
    for calls in (reads(buyer, show), purchases(buyer, show), accounts(buyer)):
        for call in calls:
            called.add(call.operation)
            found += offences(call, buyer, login, seen)
    assert not found, "\n".join(dict.fromkeys(found))
    assert called == operations(api)
