"""The workloads W1 to W9, each as a list of requests."""

import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from uuid import uuid4

from benchmarks import wrk
from benchmarks.dataset import BUSY_SHOW, CUSTOMERS, PASSWORD, QUIET_SHOW, Dataset, ShowSeat
from benchmarks.wrk import Load, Request

ATTEMPTS_PER_HOT_SEAT = 50
REPLAYED_KEYS = 1000
BROWSER = "gzip, deflate, br, zstd"  # what browsers accept over HTTPS
WRITERS = 8  # connections that book while W2b reads


@dataclass(slots=True)
class Target:
    """A running server and its data.

    `pids` are those of its first processes, empty if unknown, and `proxies` those
    of the programs around it. `premiere` is the next show without bookings.
    """

    name: str
    url: str
    dataset: Dataset
    tokens: list[str]
    pids: list[int] = field(default_factory=list)
    proxies: list[int] = field(default_factory=list)
    premiere: int = 0


@dataclass(frozen=True, slots=True)
class RunOptions:
    seconds: float
    connections: int

    @property
    def plenty(self) -> int:
        """More requests than any server answers in the time."""
        return int(6000 * self.seconds)


Send = Callable[[Target, RunOptions], wrk.Result]


@dataclass(frozen=True, slots=True)
class Workload:
    """`on` names the targets that offer it: the peer lacks some calls, and only nginx caches."""

    description: str
    send: Send
    on: frozenset[str]


def _send(load: Load, target: Target, options: RunOptions) -> wrk.Result:
    return wrk.run(load, url=target.url, seconds=options.seconds, connections=options.connections)


def _bookings(seats: Iterable[ShowSeat], tokens: list[str]) -> list[Request]:
    return [
        Request(
            "POST",
            "/api/bookings",
            token,
            str(uuid4()),
            json.dumps({"show_id": show_id, "seat_id": seat_id}),
        )
        for (show_id, seat_id), token in zip(seats, cycle(tokens), strict=False)
    ]


def _checked(result: wrk.Result, target: Target) -> wrk.Result:
    """Add a failure where the tables contradict the answers of a run that booked."""
    created, sold = result.statuses.get("201", 0), target.dataset.count_sold()
    if twice := target.dataset.count_sold_twice():
        result.failures.append(f"{twice} seats were sold twice")
    if sold < created:
        result.failures.append(f"{created} bookings were confirmed, {sold} are in the table")
    return result


def movies(target: Target, options: RunOptions) -> wrk.Result:
    return _send(Load([Request("GET", "/api/movies")]), target, options)


def shows(target: Target, options: RunOptions, *, encodings: str = "") -> wrk.Result:
    return _send(Load([Request("GET", "/api/shows", encodings=encodings)]), target, options)


def _seat_map(show_id: int, tokens: list[str], *, query: str = "", encodings: str = "") -> Load:
    path = f"/api/shows/{show_id}/seats{query}"
    return Load([Request("GET", path, token, encodings=encodings) for token in tokens])


def quiet_map(target: Target, options: RunOptions, *, encodings: str = "") -> wrk.Result:
    return _send(_seat_map(QUIET_SHOW, target.tokens, encodings=encodings), target, options)


def unavailable(target: Target, options: RunOptions) -> wrk.Result:
    return _send(_seat_map(QUIET_SHOW, target.tokens, query="?fields=status"), target, options)


def public_map(target: Target, options: RunOptions, *, encodings: str = "") -> wrk.Result:
    return _send(_seat_map(QUIET_SHOW, [""], encodings=encodings), target, options)


def busy_map(target: Target, options: RunOptions) -> wrk.Result:
    """Read a seat map while its available seats are booked, released and booked again."""
    seat_ids = target.dataset.available_seats_of(BUSY_SHOW)
    seats = cycle((BUSY_SHOW, seat_id) for seat_id in seat_ids)
    writes = Load(_bookings(islice(seats, options.plenty), target.tokens))
    with (
        _releasing(target.dataset, seat_ids),
        wrk.started(writes, url=target.url, seconds=options.seconds + 2, connections=WRITERS),
    ):
        return _send(_seat_map(BUSY_SHOW, target.tokens), target, options)


@contextmanager
def _releasing(dataset: Dataset, seat_ids: list[int]) -> Iterator[None]:
    """Release the seats again and again, faster than they can be booked."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            dataset.release(seat_ids)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def bookings(target: Target, options: RunOptions) -> wrk.Result:
    load = Load(
        _bookings(target.dataset.available_seats().plain[: options.plenty], target.tokens),
        once=True,
        mode="counted",
        expected=frozenset({"201"}),
    )
    return _checked(_send(load, target, options), target)


def gap_rule_bookings(target: Target, options: RunOptions) -> wrk.Result:
    """Sell rows from one end, so that the single-gap rule refuses nothing."""
    load = Load(
        _bookings(target.dataset.available_seats().gap_rule[: options.plenty], target.tokens),
        once=True,
        mode="counted",
        expected=frozenset({"201"}),
    )
    return _checked(_send(load, target, options), target)


def hot_seats(target: Target, options: RunOptions) -> wrk.Result:
    seats = target.dataset.available_seats().plain[: 2 * options.plenty // ATTEMPTS_PER_HOT_SEAT]
    attempts = [seat for seat in seats for _ in range(ATTEMPTS_PER_HOT_SEAT)]
    load = Load(
        _bookings(attempts, target.tokens),
        once=True,
        mode="counted",
        expected=frozenset({"201", "409"}),
    )
    return _checked(_send(load, target, options), target)


def replays(target: Target, options: RunOptions) -> wrk.Result:
    requests = _bookings(target.dataset.available_seats().plain[:REPLAYED_KEYS], target.tokens)
    first = Load(requests, once=True, mode="counted", expected=frozenset({"201"}))
    made = wrk.run(first, url=target.url, seconds=60, connections=options.connections)
    result = _send(Load(requests), target, options)
    if made.failures or target.dataset.count_sold() != REPLAYED_KEYS:
        result.failures.append("A replay had an effect, or a first request failed.")
    return result


def logins(target: Target, options: RunOptions) -> wrk.Result:
    bodies = (
        json.dumps({"email": f"customer{user_id}@example.com", "password": PASSWORD})
        for user_id in range(1, CUSTOMERS + 1)
    )
    return _send(
        Load([Request("POST", "/api/auth/login", body=body) for body in bodies]), target, options
    )


def premiere(target: Target, options: RunOptions) -> wrk.Result:
    """Book all seats of one show, in random order."""
    premieres = target.dataset.available_seats().premieres
    seats = [*premieres[target.premiere]]
    target.premiere = (target.premiere + 1) % len(premieres)
    random.Random(target.premiere).shuffle(seats)  # noqa: S311 - the same for every server
    load = Load(
        _bookings(seats, target.tokens), once=True, mode="counted", expected=frozenset({"201"})
    )
    return _checked(_send(load, target, options), target)


def holds(target: Target, options: RunOptions) -> wrk.Result:
    seats = target.dataset.available_seats().plain[:: max(1, 480 // CUSTOMERS)][: 8 * CUSTOMERS]
    load = Load(
        [
            Request(
                "POST", "/api/holds", token, "", json.dumps({"show_id": show, "seat_ids": [seat]})
            )
            for (show, seat), token in zip(seats, cycle(target.tokens), strict=False)
        ],
        mode="holds",
        expected=frozenset({"200", "201", "204"}),
    )
    return _send(load, target, options)


SITE, BESIDE, PEER, NGINX = "site", "beside", "peer", "nginx"
EVERYWHERE = frozenset({SITE, BESIDE, PEER})
OURS = frozenset({SITE, BESIDE})
WORKLOADS: dict[str, Workload] = {
    "W1": Workload("GET /api/movies, 100 movies", movies, EVERYWHERE),
    "W1n": Workload("W1 through nginx, without a token", movies, frozenset({NGINX})),
    "W2a": Workload("seat map of 240 seats, half sold, with a token", quiet_map, EVERYWHERE),
    "W2n": Workload("W2a through nginx, without a token", public_map, frozenset({NGINX})),
    "W2s": Workload("W2a with ?fields=status: only the sold seats", unavailable, OURS),
    "W2z": Workload("W2a, compressed", partial(quiet_map, encodings=BROWSER), OURS),
    "W2nz": Workload("W2n, compressed", partial(public_map, encodings=BROWSER), frozenset({NGINX})),
    "W2b": Workload("W2a while that show is booked at full speed", busy_map, EVERYWHERE),
    "W3": Workload("bookings, each another seat", bookings, EVERYWHERE),
    "W3g": Workload("W3 with the single-gap rule on", gap_rule_bookings, OURS),
    "W4": Workload("hot seats, 50 attempts each", hot_seats, EVERYWHERE),
    "W5": Workload("replays over 1,000 keys", replays, EVERYWHERE),
    "W6": Workload("logins", logins, EVERYWHERE),
    "W7": Workload("a premiere, 2,000 seats of one show", premiere, EVERYWHERE),
    "W8": Workload("holds made and released", holds, OURS),
    "W9": Workload("GET /api/shows, without a token", shows, OURS),
    "W9z": Workload("W9, compressed", partial(shows, encodings=BROWSER), OURS),
}
# What a target without the workload is compared by.
COUNTERPARTS = {"W1n": "W1", "W2n": "W2a"}
