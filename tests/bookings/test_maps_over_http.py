"""Two real server processes: one sells, both are read at full speed, and no map is ever late."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import pytest

from accounts.tokens import issue_tokens
from catalog.models import Seat, Show
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import Answer, Line, database_url, gunicorn

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def two_servers(folder: Path, wsgi: str) -> Iterator[list[int]]:
    """Serve the site twice and yield the ports."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                gunicorn(
                    folder / name,
                    wsgi=wsgi,
                    DATABASE_URL=database_url(),
                    THROTTLE_BOOKING="",
                    THROTTLE_BOOKING_ADDRESS="",
                )
            )
            for name in ("one", "two")
        ]


class Sale:
    """Buyers and readers at the same time. `sold` are the seats whose 201 has arrived."""

    def __init__(self, show: Show, seats: list[Seat], ports: list[int]) -> None:
        self.show, self.seats, self.ports = show, seats, ports
        self.sold: set[int] = set()
        self.late: list[str] = []
        self.unchanged = 0

    def buy(self, port: int, seats: list[Seat], token: str) -> None:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        with closing(Line(port)) as line:
            for seat in seats:
                wish = {"show_id": self.show.pk, "seat_ids": [seat.pk]}
                key = {"Idempotency-Key": uuid4().hex}
                answer = line.call(
                    "POST", "/api/bookings", headers=headers | key, body=json.dumps(wish).encode()
                )
                assert answer.status == 201, answer.body
                self.sold.add(seat.pk)

    def read(self, port: int) -> None:
        """Read maps and totals until all is sold; a 304 means what was read before."""
        known: Answer | None = None
        with closing(Line(port)) as line:
            while len(self.sold) < len(self.seats):
                before = set(self.sold)
                if_changed = {"If-None-Match": known.headers["ETag"]} if known else {}
                answer = line.call("GET", f"/api/shows/{self.show.pk}/seats", headers=if_changed)
                if answer.status == 304:
                    self.unchanged += 1
                else:
                    known = answer
                assert known is not None
                free = {s["id"] for s in json.loads(known.body) if s["state"] == "available"}
                if before & free:
                    self.late.append(f"{answer.status}: {sorted(before & free)}")
                before = set(self.sold)
                show = json.loads(line.call("GET", f"/api/shows/{self.show.pk}").body)
                if show["seats_available"] > len(self.seats) - len(before):
                    self.late.append(f"{show['seats_available']} free after {len(before)} sold")

    def run(self) -> None:
        """Sell everything through both servers, and read each of them meanwhile."""
        half = len(self.seats) // 2
        tokens = [issue_tokens(user).access for user in UserFactory.create_batch(2)]
        start_line = Barrier(4, timeout=60)
        with ThreadPoolExecutor(4) as pool:
            done = [
                pool.submit(self._enter, start_line, self.buy, port, seats, token)
                for port, seats, token in zip(
                    self.ports, (self.seats[:half], self.seats[half:]), tokens, strict=True
                )
            ] + [pool.submit(self._enter, start_line, self.read, port) for port in self.ports]
            for each in done:
                each.result()

    @staticmethod
    def _enter(start_line: Barrier, action, *arguments) -> None:  # type: ignore[no-untyped-def]
        start_line.wait()
        action(*arguments)


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


def test_a_map_kept_for_a_moment_is_noticed(tmp_path: Path, show: Show) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    with two_servers(tmp_path, "tests.sabotage.stale_map") as ports:
        sale = Sale(show, make_seats(show, *["S" * 20] * 2), ports)
        sale.run()
    assert sale.late
