"""Customers and their purchases, sent over HTTP."""

import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

from accounts.tokens import AccessToken
from benchmarks.stampede.servers import AppServer
from tests.faults.servers import Database
from tests.web import Answer, RawConnection

WORTH_REPEATING = {"busy", "outcome_unknown", "idempotency_key_in_progress"}


class Customer(NamedTuple):
    id: int
    token: str


@dataclass(frozen=True)
class Purchase:
    """Seats to buy under one key: sending it again repeats the request."""

    customer: Customer
    show_id: int
    seat_ids: list[int]
    key: str = field(default_factory=lambda: uuid4().hex)

    def send(self, app: AppServer) -> Answer:
        body = {"show_id": self.show_id, "seat_ids": self.seat_ids}
        return call(app, "POST", "/api/bookings", body, customer=self.customer, key=self.key)

    def hold(self, app: AppServer) -> Answer:
        """Hold the seats instead of buying them."""
        body = {"show_id": self.show_id, "seat_ids": self.seat_ids}
        return call(app, "POST", "/api/holds", body, customer=self.customer)


def call(
    app: AppServer,
    method: str,
    path: str,
    body: Any = None,
    *,
    customer: Customer | None = None,
    key: str | None = None,
) -> Answer:
    """Send one request on a new connection and return the answer."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if customer is not None:
        headers["Authorization"] = f"Bearer {customer.token}"
    if key is not None:
        headers["Idempotency-Key"] = key
    body = None if body is None else json.dumps(body).encode()
    with closing(RawConnection(app.port)) as raw:
        return raw.call(method, path, headers=headers, body=body)


def new_customer(database: Database) -> Customer:
    name = uuid4().hex
    sql = (
        "INSERT INTO users (name, email, password_hash, token_version)"
        " VALUES (%s, %s, '', 1) RETURNING id"
    )
    user_id = database.ask(sql, name, f"{name}@example.com")
    return Customer(user_id, str(AccessToken.for_caller(user_id=user_id, token_version=1)))


def new_show(database: Database, *, seats: int) -> tuple[int, list[int]]:
    """Create a show tomorrow with one row of seats; return its id and those of the seats."""
    show_id = database.ask(
        """
        WITH movie AS (INSERT INTO movies (title) VALUES ('Heat') RETURNING id),
             theatre AS (INSERT INTO theatres (name) VALUES ('Odeon') RETURNING id)
        INSERT INTO shows (movie_id, theatre_id, start_time)
        SELECT movie.id, theatre.id, now() + interval '1 day' FROM movie, theatre
        RETURNING id
        """
    )
    seat_ids = database.ask(
        """
        WITH made AS (
            INSERT INTO seats (show_id, row, number, price)
            SELECT %s, 'A', number, 12.50 FROM generate_series(1, %s) AS number
            RETURNING id
        )
        SELECT array_agg(id ORDER BY id) FROM made
        """,
        show_id,
        seats,
    )
    return show_id, seat_ids


def refusal(answer: Answer) -> tuple[int, str]:
    """Return status and code of a problem. It has Retry-After if a retry can help."""
    code = json.loads(answer.body)["code"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ("Retry-After" in answer.headers) == (code in WORTH_REPEATING), answer.headers
    return answer.status, code


def is_replay(answer: Answer) -> bool:
    assert answer.status == 201, answer.body
    return answer.headers["Idempotency-Replayed"] == "true"


def effects(database: Database, purchase: Purchase) -> tuple[int, int]:
    """Return how many live bookings of the seats and how many records of the key there are."""
    bookings = database.ask(
        "SELECT count(*) FROM bookings WHERE seat_id = ANY(%s) AND cancelled_at IS NULL",
        purchase.seat_ids,
    )
    records = database.ask("SELECT count(*) FROM idempotency_records WHERE key = %s", purchase.key)
    return bookings, records
