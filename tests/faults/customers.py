"""Customers, what they wish to buy, and how they ask for it."""

import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

from accounts.tokens import AccessToken
from benchmarks.stampede.servers import AppServer
from tests.faults.stage import Database
from tests.web import Answer, Line

WORTH_REPEATING = {"busy", "outcome_unknown", "idempotency_key_in_progress"}


class Customer(NamedTuple):
    id: int
    token: str


@dataclass(frozen=True)
class Purchase:
    """A wish for seats under one key: sending it again repeats it."""

    customer: Customer
    show_id: int
    seat_ids: list[int]
    key: str = field(default_factory=lambda: uuid4().hex)

    def send(self, app: AppServer) -> Answer:
        wish = {"show_id": self.show_id, "seat_ids": self.seat_ids}
        return call(app, "POST", "/api/bookings", wish, customer=self.customer, key=self.key)

    def hold(self, app: AppServer) -> Answer:
        """Hold the seats instead of buying them."""
        wish = {"show_id": self.show_id, "seat_ids": self.seat_ids}
        return call(app, "POST", "/api/holds", wish, customer=self.customer)


def call(
    app: AppServer,
    method: str,
    path: str,
    wish: Any = None,
    *,
    customer: Customer | None = None,
    key: str | None = None,
) -> Answer:
    """Send one request on a connection of its own and return the answer."""
    headers = {"Content-Type": "application/json"} if wish is not None else {}
    if customer is not None:
        headers["Authorization"] = f"Bearer {customer.token}"
    if key is not None:
        headers["Idempotency-Key"] = key
    body = None if wish is None else json.dumps(wish).encode()
    with closing(Line(app.port)) as line:
        return line.call(method, path, headers=headers, body=body)


def new_customer(database: Database) -> Customer:
    name = uuid4().hex
    sql = "INSERT INTO users (name, email, password_hash) VALUES (%s, %s, '') RETURNING id"
    user_id = database.ask(sql, name, f"{name}@example.com")
    return Customer(user_id, str(AccessToken.for_caller(user_id=user_id, token_version=1)))


def new_show(database: Database, *, seats: int) -> tuple[int, list[int]]:
    """Make a show tomorrow with one row of seats; return its id and theirs."""
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
    """Return status and code of a problem, which says when to retry if that can help."""
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
