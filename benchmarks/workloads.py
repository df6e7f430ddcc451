"""What is asked of a server: the workloads W1 to W8, each as a list of requests."""

import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from uuid import uuid4

from benchmarks import wrk
from benchmarks.house import BUSY_SHOW, CALLERS, PASSWORD, QUIET_SHOW, House, Spot
from benchmarks.wrk import Load, Request

ATTEMPTS_PER_HOT_SEAT = 50
REPLAYED_KEYS = 1000
WRITERS = 8  # connections that book while W2b reads


@dataclass(slots=True)
class Target:
    """A running server with its data. `premiere` is the next show that nobody has booked.

    `pid` is that of its first process, if it is known.
    """

    name: str
    url: str
    house: House
    tokens: list[str]
    pid: int | None = None
    premiere: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    seconds: float
    connections: int


Workload = Callable[[Target, Terms], wrk.Result]


def _send(load: Load, target: Target, terms: Terms) -> wrk.Result:
    return wrk.run(load, url=target.url, seconds=terms.seconds, connections=terms.connections)


def _bookings(spots: Iterable[Spot], tokens: list[str]) -> list[Request]:
    return [
        Request(
            "POST",
            "/api/bookings",
            token,
            str(uuid4()),
            json.dumps({"show_id": show_id, "seat_id": seat_id}),
        )
        for (show_id, seat_id), token in zip(spots, cycle(tokens), strict=False)
    ]


def _judged(result: wrk.Result, target: Target) -> wrk.Result:
    """Add what the tables say of a run that booked."""
    created, sold = result.statuses.get("201", 0), target.house.sold()
    if twice := target.house.sold_twice():
        result.flaws.append(f"{twice} seats were sold twice")
    if sold < created:
        result.flaws.append(f"{created} bookings were confirmed, {sold} are there")
    return result


def movies(target: Target, terms: Terms) -> wrk.Result:
    return _send(Load([Request("GET", "/api/movies")]), target, terms)


def _seat_map(show_id: int, tokens: list[str]) -> Load:
    return Load([Request("GET", f"/api/shows/{show_id}/seats", token) for token in tokens])


def quiet_map(target: Target, terms: Terms) -> wrk.Result:
    return _send(_seat_map(QUIET_SHOW, target.tokens), target, terms)


def busy_map(target: Target, terms: Terms) -> wrk.Result:
    """Read a seat map while its free seats are booked, freed and booked again."""
    seats = target.house.free_seats(BUSY_SHOW)
    spots = [(BUSY_SHOW, seat_id) for seat_id in seats]
    plenty = 3000 * int(terms.seconds + 2)
    writes = Load(_bookings(islice(cycle(spots), plenty), target.tokens))
    with (
        _freeing(target.house, seats),
        wrk.started(writes, url=target.url, seconds=terms.seconds + 2, connections=WRITERS),
    ):
        return _send(_seat_map(BUSY_SHOW, target.tokens), target, terms)


@contextmanager
def _freeing(house: House, seats: list[int]) -> Iterator[None]:
    """Take back again and again what is sold of the seats, faster than it can be sold."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            house.free_again(seats)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def bookings(target: Target, terms: Terms) -> wrk.Result:
    load = Load(
        _bookings(target.house.rooms().plain[: _most(terms)], target.tokens),
        once=True,
        mode="counted",
        expected=frozenset({"201"}),
    )
    return _judged(_send(load, target, terms), target)


def ruled_bookings(target: Target, terms: Terms) -> wrk.Result:
    """W3 with the single-gap rule on: rows are sold from one end, as it wants."""
    load = Load(
        _bookings(target.house.rooms().ruled[: _most(terms)], target.tokens),
        once=True,
        mode="counted",
        expected=frozenset({"201"}),
    )
    return _judged(_send(load, target, terms), target)


def hot_seats(target: Target, terms: Terms) -> wrk.Result:
    spots = target.house.rooms().plain[: 2 * _most(terms) // ATTEMPTS_PER_HOT_SEAT]
    attempts = [spot for spot in spots for _ in range(ATTEMPTS_PER_HOT_SEAT)]
    load = Load(
        _bookings(attempts, target.tokens),
        once=True,
        mode="counted",
        expected=frozenset({"201", "409"}),
    )
    return _judged(_send(load, target, terms), target)


def replays(target: Target, terms: Terms) -> wrk.Result:
    requests = _bookings(target.house.rooms().plain[:REPLAYED_KEYS], target.tokens)
    first = Load(requests, once=True, mode="counted", expected=frozenset({"201"}))
    made = wrk.run(first, url=target.url, seconds=60, connections=terms.connections)
    result = _send(Load(requests), target, terms)
    if made.flaws or target.house.sold() != REPLAYED_KEYS:
        result.flaws.append("Replays had effects, or what they repeat failed.")
    return result


def logins(target: Target, terms: Terms) -> wrk.Result:
    bodies = (
        json.dumps({"email": f"customer{user_id}@example.com", "password": PASSWORD})
        for user_id in range(1, CALLERS + 1)
    )
    return _send(
        Load([Request("POST", "/api/auth/login", body=body) for body in bodies]), target, terms
    )


def premiere(target: Target, terms: Terms) -> wrk.Result:
    """All seats of one show, wanted by as many customers as there are connections at a time."""
    rooms = target.house.rooms()
    seats = [*rooms.premieres[target.premiere]]
    target.premiere = (target.premiere + 1) % len(rooms.premieres)
    random.Random(target.premiere).shuffle(seats)  # noqa: S311 - the same for every server
    load = Load(
        _bookings(seats, target.tokens), once=True, mode="counted", expected=frozenset({"201"})
    )
    return _judged(_send(load, target, terms), target)


def holds(target: Target, terms: Terms) -> wrk.Result:
    spots = target.house.rooms().plain[:: max(1, 480 // CALLERS)][: 8 * CALLERS]
    load = Load(
        [
            Request(
                "POST", "/api/holds", token, "", json.dumps({"show_id": show, "seat_ids": [seat]})
            )
            for (show, seat), token in zip(spots, cycle(target.tokens), strict=False)
        ],
        mode="holds",
        expected=frozenset({"200", "201", "204"}),
    )
    return _send(load, target, terms)


def _most(terms: Terms) -> int:
    """Return how many requests no server answers in the time."""
    return int(6000 * terms.seconds)


WORKLOADS: dict[str, tuple[str, Workload]] = {
    "W1": ("GET /api/movies, 100 movies", movies),
    "W2a": ("seat map of 240 seats, half sold, with a token", quiet_map),
    "W2b": ("the same while that show is booked at full speed", busy_map),
    "W3": ("bookings, each another seat", bookings),
    "W3g": ("the same with the single-gap rule on", ruled_bookings),
    "W4": ("hot seats, 50 attempts each", hot_seats),
    "W5": ("replays over 1,000 keys", replays),
    "W6": ("logins", logins),
    "W7": ("a premiere, 2,000 seats of one show", premiere),
    "W8": ("holds made and released", holds),
}
# What only the site itself offers.
NOT_FOR_PEERS = {"W3g", "W8"}
