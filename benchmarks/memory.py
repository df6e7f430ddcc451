"""What a worker has in memory, and whether it grows, by 100,000 requests. `make memory`."""

import argparse
import json
import os
import random
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from benchmarks import wrk
from benchmarks.house import CALLERS, MOVIES, House, Size
from benchmarks.measuring import say
from benchmarks.own_house import OwnHouse
from benchmarks.servers import NotStarted, database_of_its_own, migrate, production, serving
from benchmarks.wrk import Load, Request

SIZE = Size(seats=240_000, sold=0.2, bare=True)
STEPS = 10
# Refusals are part of it: taken seats, too many held.
EXPECTED = frozenset({"200", "201", "409", "422"})


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MiB. `pss` counts what several share once, divided among them."""

    rss: float
    pss: float

    @classmethod
    def of(cls, pid: int) -> "Memory":
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        rss, pss = (
            sum(map(int, re.findall(rf"^{name}: +([0-9]+) kB", text, re.MULTILINE))) / 1024
            for name in ("Rss", "Pss")
        )
        return cls(rss, pss)


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        database = stack.enter_context(database_of_its_own(os.environ["DATABASE_URL"]))
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48))
        migrate(environment)
        house = OwnHouse(url=database, size=SIZE, jwt_key=environment["JWT_SIGNING_KEY"])
        house.fill()
        app = stack.enter_context(
            serving("booking_site.wsgi", environment=environment, log=logs / "site.log")
        )
        load = Load(list(_mixed(house)), mode="counted", expected=EXPECTED)
        return _watch(app.url, app.pid, load, options.requests)


def _watch(url: str, pid: int, load: Load, requests: int) -> int:
    """Send the requests in steps and say after each what every worker has."""
    sent, rate, flaws = 0, 0.0, list[str]()
    _say_step(sent, pid)
    while sent < requests:
        seconds = min(60, requests / STEPS / rate) if rate else 2
        result = wrk.run(load, url=url, seconds=max(1, round(seconds)), connections=32)
        sent, rate = sent + result.requests, result.rate
        flaws += result.flaws
        _say_step(sent, pid, result.statuses)
    for flaw in flaws:
        say(f"FLAW: {flaw}")
    return 1 if flaws else 0


def _say_step(sent: int, pid: int, statuses: dict[str, int] | None = None) -> None:
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    each = (Memory.of(int(worker)) for worker in workers)
    texts = [f"{memory.rss:.1f} (shared ones divided: {memory.pss:.1f})" for memory in each]
    say(f"{sent:8,} requests, MiB of each worker: {', '.join(texts)}  {statuses or ''}")


def _mixed(house: House) -> Iterator[Request]:
    """Yield ten kinds of calls in turns; a booking that comes again is a replay."""
    tokens = house.tokens()
    chance = random.Random(1)  # noqa: S311 - the same requests each time
    for number, (show, seat) in enumerate(house.rooms().plain[:3000]):
        token = tokens[number % CALLERS]
        wish = json.dumps({"show_id": show, "seat_ids": [seat]})
        any_show = chance.randrange(1, SIZE.shows + 1)
        yield Request("GET", "/api/movies")
        yield Request("GET", f"/api/movies/{chance.randrange(1, MOVIES + 1)}/shows")
        yield Request("GET", f"/api/shows/{any_show}", token)
        yield Request("GET", f"/api/shows/{any_show}/seats", token)
        yield Request("GET", f"/api/shows/{show}/seats")
        yield Request("POST", "/api/bookings", token, str(uuid4()), wish)
        yield Request("POST", "/api/bookings", tokens[number % 7], str(uuid4()), wish)
        yield Request(
            "POST", "/api/holds", token, "", json.dumps({"show_id": any_show, "quantity": 2})
        )
        yield Request("GET", "/api/holds", token)
        yield Request("GET", "/api/orders?page_size=20", token)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make memory ARGS=…", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, NotStarted) as refusal:
        sys.exit(str(refusal))
