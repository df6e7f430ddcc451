"""Measures the memory of a worker over 100,000 requests: `make memory`."""

import argparse
import json
import os
import random
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from benchmarks import wrk
from benchmarks.dataset import CUSTOMERS, MOVIES, Dataset, Size
from benchmarks.own_dataset import OwnDataset
from benchmarks.processes import Memory, children
from benchmarks.servers import (
    SERVERS,
    Checkout,
    NotStarted,
    migrate,
    production,
    serving,
    temporary_database,
)
from benchmarks.wrk import Load, Request

SIZE = Size(seats=240_000, sold=0.2, bare=True)
STEPS = 10
# Refusals are expected: taken seats, too many holds.
EXPECTED = frozenset({"200", "201", "409", "422"})


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        database = stack.enter_context(temporary_database(os.environ["DATABASE_URL"]))
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48))
        migrate(environment, checkout=Checkout())
        dataset = OwnDataset(url=database, size=SIZE, jwt_key=environment["JWT_SIGNING_KEY"])
        dataset.fill()
        log = logs / "site.log"
        app = stack.enter_context(serving(environment=environment, log=log, server=options.server))
        load = Load(list(_mixed(dataset)), mode="counted", expected=EXPECTED)
        return _watch(app.url, app.pid, load, options.requests)


def _watch(url: str, pid: int, load: Load, requests: int) -> int:
    """Send the requests in steps, and print the memory of every worker after each."""
    sent, rate, failures = 0, 0.0, list[str]()
    _print_step(sent, pid)
    while sent < requests:
        seconds = min(60, requests / STEPS / rate) if rate else 2
        result = wrk.run(load, url=url, seconds=max(1, round(seconds)), connections=32)
        sent, rate = sent + result.requests, result.rate
        failures += result.failures
        _print_step(sent, pid, result.statuses)
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def _print_step(sent: int, pid: int, statuses: dict[str, int] | None = None) -> None:
    workers = [Memory.of(worker) for worker in children(pid)]
    each = ", ".join(f"{memory.resident:.1f} ({memory.private:.1f} private)" for memory in workers)
    print(f"{sent:8,} requests, MiB of each worker: {each}  {statuses or ''}", flush=True)


def _mixed(dataset: Dataset) -> Iterator[Request]:
    """Yield ten kinds of calls in turn; a booking that is sent again is a replay."""
    tokens = dataset.tokens()
    chance = random.Random(1)  # noqa: S311 - the same requests each time
    for number, (show, seat) in enumerate(dataset.available_seats().plain[:3000]):
        token = tokens[number % CUSTOMERS]
        body = json.dumps({"show_id": show, "seat_ids": [seat]})
        any_show = chance.randrange(1, SIZE.shows + 1)
        yield Request("GET", "/api/movies")
        yield Request("GET", f"/api/movies/{chance.randrange(1, MOVIES + 1)}/shows")
        yield Request("GET", f"/api/shows/{any_show}", token)
        yield Request("GET", f"/api/shows/{any_show}/seats", token)
        yield Request("GET", f"/api/shows/{show}/seats")
        yield Request("POST", "/api/bookings", token, str(uuid4()), body)
        yield Request("POST", "/api/bookings", tokens[number % 7], str(uuid4()), body)
        yield Request(
            "POST", "/api/holds", token, "", json.dumps({"show_id": any_show, "quantity": 2})
        )
        yield Request("GET", "/api/holds", token)
        yield Request("GET", "/api/orders?page_size=20", token)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make memory ARGS=…", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--server", choices=SERVERS, default=SERVERS[0])
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, NotStarted) as refusal:
        sys.exit(str(refusal))
