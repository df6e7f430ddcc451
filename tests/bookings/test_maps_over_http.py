"""Seat maps read from two server processes while seats are sold: none is outdated."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest

from accounts.tokens import issue_tokens
from booking_site.environment import RATES
from catalog.models import Seat, Show
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import database_url, web_server

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def two_servers(folder: Path, wsgi: str) -> Iterator[list[int]]:
    """Start two servers and yield their ports."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                web_server(
                    folder / name,
                    wsgi=wsgi,
                    DATABASE_URL=database_url(),
                    **dict.fromkeys(RATES, ""),
                )
            ).port
            for name in ("one", "two")
        ]


class Customer:
    """A persistent connection to one of the servers."""

    def __init__(self, port: int, token: str | None = None) -> None:
        # Long, as a server may still be starting.
        self.line = HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, str | None, bytes]:
        """Return status, ETag and body of the answer."""
        self.line.request(method, path, body, self.headers | headers)
        response = self.line.getresponse()
        return response.status, response.headers["ETag"], response.read()


class Sale:
    """Buyers and readers at the same time. `sold` are the seats whose 201 has arrived."""

    def __init__(self, show: Show, seats: list[Seat], ports: list[int]) -> None:
        self.show, self.seats, self.ports = show, seats, ports
        self.sold: set[int] = set()
        self.late: list[str] = []
        self.unchanged = 0
        self.over = Event()

    def buy(self, customer: Customer, seats: list[Seat]) -> None:
        for seat in seats:
            headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
            purchase = json.dumps({"show_id": self.show.pk, "seat_ids": [seat.pk]})
            status, _, body = customer.call("POST", "/api/bookings", purchase, **headers)
            assert status == 201, body
            self.sold.add(seat.pk)

    def read(self, customer: Customer) -> None:
        """Read maps and totals until the sale ends; a 304 means the previous map."""
        etag, known = "", b"[]"
        while not self.over.is_set():
            before = set(self.sold)
            status, new, body = customer.call(
                "GET", f"/api/shows/{self.show.pk}/seats", **{"If-None-Match": etag}
            )
            self.unchanged += status == 304
            etag, known = (etag, known) if status == 304 else (new or "", body)
            free = {seat["id"] for seat in json.loads(known) if seat["state"] == "available"}
            if before & free:
                self.late.append(f"{status}: {sorted(before & free)}")
            before = set(self.sold)
            show = json.loads(customer.call("GET", f"/api/shows/{self.show.pk}")[2])
            if show["seats_available"] > len(self.seats) - len(before):
                self.late.append(f"{show['seats_available']} free after {len(before)} sold")

    def run(self) -> None:
        """Sell everything through both servers, and read each of them meanwhile."""
        tokens = [issue_tokens(user).access for user in UserFactory.create_batch(2)]
        readers = [Customer(port) for port in self.ports]
        buyers = [Customer(port, token) for port, token in zip(self.ports, tokens, strict=True)]
        for customer in (*readers, *buyers):
            status, _, body = customer.call("GET", f"/api/shows/{self.show.pk}/seats")
            assert status == 200, body  # it serves now
        half = len(self.seats) // 2
        with ThreadPoolExecutor(4) as pool:
            reading = [pool.submit(self.read, reader) for reader in readers]
            buying = [
                pool.submit(self.buy, buyer, seats)
                for buyer, seats in zip(buyers, (self.seats[:half], self.seats[half:]), strict=True)
            ]
            wait(buying)
            self.over.set()
        for customer in (*readers, *buyers):
            customer.line.close()
        for each in (*buying, *reading):
            each.result()


@pytest.fixture
def show() -> Show:
    return ShowFactory()


def test_no_map_shows_a_seat_free_after_its_201_was_sent(tmp_path: Path, show: Show) -> None:
    with two_servers(tmp_path, "booking_site.wsgi") as ports:
        sale = Sale(show, make_seats(show, *["S" * 20] * 2), ports)
        sale.run()
    assert len(sale.sold) == 40
    assert sale.late == []
    assert sale.unchanged, "the readers were too slow to meet an unchanged map"


def test_a_map_cached_for_a_moment_is_detected(tmp_path: Path, show: Show) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    with two_servers(tmp_path, "tests.sabotage.stale_map") as ports:
        sale = Sale(show, make_seats(show, *["S" * 20] * 2), ports)
        sale.run()
    assert sale.late
