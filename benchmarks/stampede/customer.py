"""A customer who does at random what customers do, and asks again when the answer was lost."""

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
from benchmarks.stampede.plan import Plan, Room, Spot

# With so many bookings a customer rather cancels, so that seats come free again.
PLENTY = 6
REMEMBERED = 20


class Tally:
    """Counts for the line of progress; threads share it."""

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
            f"{self._calls:,} wishes: {self._booked:,} booked or held,"
            f" {self._refused:,} refused, {self._lost:,} not settled"
        )


@dataclass
class _Memory:
    """What a customer knows. `bookings` maps the ids of live ones to the order's reference."""

    purchases: list[Request] = field(default_factory=list)
    bookings: dict[int, str] = field(default_factory=dict)
    free: dict[int, list[Spot]] = field(default_factory=dict)


class Customer:
    def __init__(
        self,
        *,
        number: int,
        plan: Plan,
        journal: Journal,
        tally: Tally,
        ends: float,
        gives_up: float,
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._ends = ends
        self._gives_up = gives_up
        self._rng = random.Random(f"{plan.seed}:{number}")  # noqa: S311 - no secret
        self._memory = _Memory()
        self._client, self._twin = (
            Client(
                name=f"{number}{suffix}",
                person=plan.people[number],
                servers=plan.servers,
                journal=journal,
            )
            for suffix in ("", "b")
        )
        self._habits: dict[Callable[[], None], int] = {
            self._book_one: 20,
            self._book_several: 12,
            self._book_hot: 12,
            self._hold: 18,
            self._hold_best: 6,
            self._repeat: 8,
            self._book_twice_at_once: 7,
            self._misuse_key: 4,
            self._cancel: 6,
            self._look: 8,
            self._list: 4,
        }

    def play(self) -> None:
        """Go on until the end; what is unknown by then is still settled."""
        while time.monotonic() < self._ends:
            if len(self._memory.bookings) > PLENTY:
                self._cancel()
            (habit,) = self._rng.choices(list(self._habits), list(self._habits.values()))
            habit()
        self._client.close()
        self._twin.close()

    # What customers do

    def _book_one(self) -> None:
        room = self._room()
        (seat_id,) = self._choose(room, 1)
        self._buy({"show_id": room.show_id, "seat_id": seat_id}, room.show_id)

    def _book_several(self) -> None:
        room = self._room()
        seat_ids = self._choose(room, self._rng.randint(2, 6))
        self._buy({"show_id": room.show_id, "seat_ids": seat_ids}, room.show_id)

    def _book_hot(self) -> None:
        hot = self._plan.hot_seats
        seat_ids = self._rng.sample(hot, min(self._rng.randint(1, 3), len(hot)))
        show_id = self._plan.hot_show
        self._buy({"show_id": show_id, "seat_ids": seat_ids}, show_id)

    def _hold(self) -> None:
        room = self._room()
        seat_ids = self._choose(room, self._rng.randint(1, 4))
        self._hold_and_decide({"show_id": room.show_id, "seat_ids": seat_ids}, room)

    def _hold_best(self) -> None:
        room = self._room()
        wish = {"show_id": room.show_id, "quantity": self._rng.randint(1, 4)}
        self._hold_and_decide(wish, room)

    def _hold_and_decide(self, wish: dict[str, Any], room: Room) -> None:
        answer = self._settle(Request("hold", "POST", "/api/holds", room.show_id, wish=wish))
        if not answer.succeeded:
            return
        hold_id = answer.document["id"]
        seat_ids = [seat["id"] for seat in answer.document["seats"]]
        place = f"/api/holds/{hold_id}"
        decision = self._rng.random()
        if decision < 0.15:
            extend = Request(
                "extend", "POST", f"{place}/extend", room.show_id, target=hold_id, wish={}
            )
            self._settle(extend)
        if decision < 0.65:
            self._buy({"hold_id": hold_id}, room.show_id)
        elif decision < 0.75:
            self._buy({"show_id": room.show_id, "seat_ids": seat_ids[:1]}, room.show_id)
        elif decision < 0.9:
            self._settle(Request("release", "DELETE", place, room.show_id, target=hold_id))

    def _repeat(self) -> None:
        if self._memory.purchases:
            purchase = self._rng.choice(self._memory.purchases)
            self._remember(purchase, self._settle(purchase))

    def _book_twice_at_once(self) -> None:
        """Send one purchase to two servers, or twice to one, at the same time."""
        room = self._room()
        wish = {"show_id": room.show_id, "seat_ids": self._choose(room, 2)}
        purchase = self._purchase(wish, room.show_id)
        servers = [self._rng.randrange(len(self._plan.servers)) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            for sending in [
                pool.submit(client.send, purchase, server=server)
                for client, server in zip((self._client, self._twin), servers, strict=True)
            ]:
                sending.result()
        self._remember(purchase, self._settle(purchase))

    def _misuse_key(self) -> None:
        """Send a key again with a wish that no purchase has: all hot seats."""
        if self._memory.purchases:
            purchase = self._rng.choice(self._memory.purchases)
            show_id = self._plan.hot_show
            wish = {"show_id": show_id, "seat_ids": self._plan.hot_seats}
            misuse = Request("misuse", "POST", purchase.path, show_id, purchase.key, wish)
            self._settle(misuse)

    def _cancel(self) -> None:
        if not self._memory.bookings:
            return
        booking_id, reference = self._rng.choice(list(self._memory.bookings.items()))
        if self._rng.random() < 0.6:
            path, target = f"/api/bookings/{booking_id}/cancel", booking_id
            cancel = Request("cancel_booking", "POST", path, target=target, wish={})
            gone = {booking_id}
        else:
            path = f"/api/orders/{reference}/cancel"
            cancel = Request("cancel_order", "POST", path, target=reference, wish={})
            gone = {pk for pk, each in self._memory.bookings.items() if each == reference}
        if self._settle(cancel).succeeded:
            for pk in gone:
                del self._memory.bookings[pk]

    def _look(self) -> None:
        room = self._room()
        path = f"/api/shows/{room.show_id}/seats"
        answer = self._settle(Request("map", "GET", path, room.show_id))
        if answer.succeeded:
            spots = {spot.id: spot for spot in room.spots}
            self._memory.free[room.show_id] = [
                spots[seat["id"]] for seat in answer.document if seat["status"] == "available"
            ]

    def _list(self) -> None:
        self._settle(Request("bookings", "GET", "/api/bookings?page_size=500"))
        self._settle(Request("orders", "GET", "/api/orders"))

    # How they do it

    def _buy(self, wish: dict[str, Any], show_id: int) -> None:
        purchase = self._purchase(wish, show_id)
        self._remember(purchase, self._settle(purchase))

    def _purchase(self, wish: dict[str, Any], show_id: int) -> Request:
        key = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        return Request("book", "POST", "/api/bookings", show_id, key, wish)

    def _remember(self, purchase: Request, answer: Answer) -> None:
        if answer.status != 201 or purchase in self._memory.purchases:
            return
        self._memory.purchases = [*self._memory.purchases[-REMEMBERED:], purchase]
        for booking in answer.document["bookings"]:
            self._memory.bookings[booking["id"]] = booking["order_reference"]

    def _settle(self, request: Request) -> Answer:
        answer = self._client.settle(request, rng=self._rng, until=self._gives_up)
        self._tally.add(answer)
        return answer

    def _room(self) -> Room:
        return self._rng.choice(self._plan.rooms)

    def _choose(self, room: Room, count: int) -> list[int]:
        """Return neighbours in a row, half of the time such as were free at the last look."""
        spots = room.spots
        if self._rng.random() < 0.5:
            spots = self._memory.free.get(room.show_id) or spots
        start = self._rng.randrange(len(spots))
        row = spots[start].row
        return [spot.id for spot in islice(spots, start, start + count) if spot.row == row]
