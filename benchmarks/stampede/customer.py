"""A customer who acts at random, and repeats requests whose answer was lost."""

import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import Any

from benchmarks.stampede.client import Answer, Client, Request
from benchmarks.stampede.journal import Journal
from benchmarks.stampede.plan import Plan, PlannedSeat, PlannedShow

# With more bookings than this, a customer cancels one first, so that seats become available.
MANY_BOOKINGS = 6
REMEMBERED = 20


class Tally:
    """Counts for the progress report, shared by all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls = self._booked = self._refused = self._lost = 0

    def add(self, answer: Answer) -> None:
        with self._lock:
            self._calls += 1
            self._booked += answer.status == 201
            self._refused += answer.status in (404, 409, 422)
            self._lost += answer.status is None or answer.status >= 500

    def __str__(self) -> str:
        return (
            f"{self._calls:,} requests: {self._booked:,} booked or held,"
            f" {self._refused:,} refused, {self._lost:,} without an outcome"
        )


@dataclass
class _Memory:
    """What a customer knows. `bookings` maps the ids of current ones to the order's reference."""

    purchases: list[Request] = field(default_factory=list)
    bookings: dict[int, str] = field(default_factory=dict)
    free: dict[int, list[PlannedSeat]] = field(default_factory=dict)


class Customer:
    def __init__(
        self,
        *,
        number: int,
        plan: Plan,
        journal: Journal,
        tally: Tally,
        ends: float,
        settle_until: float,
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._ends = ends
        self._settle_until = settle_until
        self._rng = random.Random(f"{plan.seed}:{number}")  # noqa: S311 - no secret
        self._memory = _Memory()
        self._client, self._twin = (
            Client(
                name=f"{number}{suffix}",
                account=plan.accounts[number],
                servers=plan.servers,
                journal=journal,
            )
            for suffix in ("", "b")
        )
        self._actions: dict[Callable[[], None], int] = {
            self._book_one: 20,
            self._book_several: 12,
            self._book_hot: 12,
            self._hold: 18,
            self._hold_best: 6,
            self._replay: 8,
            self._book_twice_concurrently: 7,
            self._misuse_key: 4,
            self._cancel: 6,
            self._read_map: 8,
            self._list_bookings: 4,
        }

    def run(self) -> None:
        """Act until the end. Requests whose outcome is unknown by then are still settled."""
        while time.monotonic() < self._ends:
            if len(self._memory.bookings) > MANY_BOOKINGS:
                self._cancel()
            (action,) = self._rng.choices(list(self._actions), list(self._actions.values()))
            action()
        self._client.close()
        self._twin.close()

    # Actions

    def _book_one(self) -> None:
        show = self._show()
        (seat_id,) = self._choose(show, 1)
        self._buy({"show_id": show.show_id, "seat_id": seat_id}, show.show_id)

    def _book_several(self) -> None:
        show = self._show()
        seat_ids = self._choose(show, self._rng.randint(2, 6))
        self._buy({"show_id": show.show_id, "seat_ids": seat_ids}, show.show_id)

    def _book_hot(self) -> None:
        hot = self._plan.hot_seats
        seat_ids = self._rng.sample(hot, min(self._rng.randint(1, 3), len(hot)))
        show_id = self._plan.hot_show
        self._buy({"show_id": show_id, "seat_ids": seat_ids}, show_id)

    def _hold(self) -> None:
        show = self._show()
        seat_ids = self._choose(show, self._rng.randint(1, 4))
        self._hold_and_decide({"show_id": show.show_id, "seat_ids": seat_ids}, show)

    def _hold_best(self) -> None:
        show = self._show()
        body = {"show_id": show.show_id, "quantity": self._rng.randint(1, 4)}
        self._hold_and_decide(body, show)

    def _hold_and_decide(self, body: dict[str, Any], show: PlannedShow) -> None:
        answer = self._settle(Request("hold", "POST", "/api/holds", show.show_id, body=body))
        if not answer.succeeded:
            return
        hold_id = answer.document["id"]
        seat_ids = [seat["id"] for seat in answer.document["seats"]]
        place = f"/api/holds/{hold_id}"
        decision = self._rng.random()
        if decision < 0.15:
            extend = Request(
                "extend", "POST", f"{place}/extend", show.show_id, target=hold_id, body={}
            )
            self._settle(extend)
        if decision < 0.65:
            self._buy({"hold_id": hold_id}, show.show_id)
        elif decision < 0.75:
            self._buy({"show_id": show.show_id, "seat_ids": seat_ids[:1]}, show.show_id)
        elif decision < 0.9:
            self._settle(Request("release", "DELETE", place, show.show_id, target=hold_id))

    def _replay(self) -> None:
        if self._memory.purchases:
            purchase = self._rng.choice(self._memory.purchases)
            self._remember(purchase, self._settle(purchase))

    def _book_twice_concurrently(self) -> None:
        """Send one purchase twice at the same time, to two servers or to one."""
        show = self._show()
        body = {"show_id": show.show_id, "seat_ids": self._choose(show, 2)}
        purchase = self._purchase(body, show.show_id)
        servers = [self._rng.randrange(len(self._plan.servers)) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            for sending in [
                pool.submit(client.send, purchase, server=server)
                for client, server in zip((self._client, self._twin), servers, strict=True)
            ]:
                sending.result()
        self._remember(purchase, self._settle(purchase))

    def _misuse_key(self) -> None:
        """Send a key again with another body: all hot seats."""
        if self._memory.purchases:
            purchase = self._rng.choice(self._memory.purchases)
            show_id = self._plan.hot_show
            body = {"show_id": show_id, "seat_ids": self._plan.hot_seats}
            misuse = Request("misuse", "POST", purchase.path, show_id, purchase.key, body)
            self._settle(misuse)

    def _cancel(self) -> None:
        if not self._memory.bookings:
            return
        booking_id, reference = self._rng.choice(list(self._memory.bookings.items()))
        if self._rng.random() < 0.6:
            path, target = f"/api/bookings/{booking_id}/cancel", booking_id
            cancel = Request("cancel_booking", "POST", path, target=target, body={})
            gone = {booking_id}
        else:
            path = f"/api/orders/{reference}/cancel"
            cancel = Request("cancel_order", "POST", path, target=reference, body={})
            gone = {pk for pk, each in self._memory.bookings.items() if each == reference}
        if self._settle(cancel).succeeded:
            for pk in gone:
                del self._memory.bookings[pk]

    def _read_map(self) -> None:
        show = self._show()
        path = f"/api/shows/{show.show_id}/seats"
        answer = self._settle(Request("map", "GET", path, show.show_id))
        if answer.succeeded:
            seats = {seat.id: seat for seat in show.seats}
            self._memory.free[show.show_id] = [
                seats[seat["id"]] for seat in answer.document if seat["status"] == "available"
            ]

    def _list_bookings(self) -> None:
        self._settle(Request("bookings", "GET", "/api/bookings?page_size=500"))
        self._settle(Request("orders", "GET", "/api/orders"))

    # Parts of actions

    def _buy(self, body: dict[str, Any], show_id: int) -> None:
        purchase = self._purchase(body, show_id)
        self._remember(purchase, self._settle(purchase))

    def _purchase(self, body: dict[str, Any], show_id: int) -> Request:
        key = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        return Request("book", "POST", "/api/bookings", show_id, key, body)

    def _remember(self, purchase: Request, answer: Answer) -> None:
        if answer.status != 201 or purchase in self._memory.purchases:
            return
        self._memory.purchases = [*self._memory.purchases[-REMEMBERED:], purchase]
        for booking in answer.document["bookings"]:
            self._memory.bookings[booking["id"]] = booking["order_reference"]

    def _settle(self, request: Request) -> Answer:
        answer = self._client.settle(request, rng=self._rng, until=self._settle_until)
        self._tally.add(answer)
        return answer

    def _show(self) -> PlannedShow:
        return self._rng.choice(self._plan.shows)

    def _choose(self, show: PlannedShow, count: int) -> list[int]:
        """Return neighbouring seats of a row, half of the time seats last seen as available."""
        seats = show.seats
        if self._rng.random() < 0.5:
            seats = self._memory.free.get(show.show_id) or seats
        start = self._rng.randrange(len(seats))
        row = seats[start].row
        return [seat.id for seat in islice(seats, start, start + count) if seat.row == row]
