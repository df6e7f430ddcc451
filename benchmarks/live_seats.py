"""Measures the live seats with 10,000 listeners beside polling by ETag: `make bench-live`.

All listeners follow one show, and holds change its seats. Printed are the memory of the live
process, the processor time from a COMMIT until the event has reached all listeners, and the
processor time of as many clients that poll instead.
"""

import argparse
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.dataset import Size
from benchmarks.own_dataset import OwnDataset
from benchmarks.processes import Memory, children, cpu_seconds, postmaster
from benchmarks.servers import (
    App,
    Checkout,
    NotStarted,
    migrate,
    production,
    serving,
    temporary_database,
)
from booking_site.embedded.processes import Child

SIZE = Size(seats=2400, sold=0.3, bare=True)
IDLE_SECONDS = 30
POLLS = 2000
PROXY = {"Host": "localhost", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.9.9"}


def main() -> int:
    options = _parser().parse_args()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        database = stack.enter_context(temporary_database(os.environ["DATABASE_URL"]))
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48), workers=1)
        environment["LIVE_URL"] = "https://cinema.example"
        migrate(environment, checkout=Checkout())
        dataset = OwnDataset(url=database, size=SIZE, jwt_key=environment["JWT_SIGNING_KEY"])
        dataset.fill()
        live = stack.enter_context(
            serving(environment=environment, log=logs / "live", server="live")
        )
        (worker,) = children(live.pid)
        live = replace(live, pid=worker)
        web = stack.enter_context(serving(environment=environment, log=logs / "web"))
        show, seats = _free_seats(dataset)
        before = Memory.of(live.pid)
        listeners = stack.enter_context(_listening(live.port, show, options.listeners))
        memory = Memory.of(live.pid)
        print(
            f"{options.listeners:,} listeners: {memory.resident:.0f} MiB resident,"
            f" {memory.private:.0f} private;"
            f" {(memory.private - before.private) * 1024 / options.listeners:.1f} KiB each",
            flush=True,
        )
        idle = cpu_seconds([live.pid])
        time.sleep(IDLE_SECONDS)
        idle = (cpu_seconds([live.pid]) - idle) / IDLE_SECONDS
        print(f"Without changes: {1000 * idle:.0f} ms of processor time a second", flush=True)
        hold = _Holder(web, dataset.tokens()[0], show, seats)
        delivered = [_deliver(live, hold, listeners, idle=idle) for _ in range(options.events)]
        _compare_with_polling(
            poll=_cost_of_poll(web, database, show),
            event=_print_delivery(delivered),
            idle=idle,
            listeners=options.listeners,
        )
    return 0


def _free_seats(dataset: OwnDataset) -> tuple[int, list[int]]:
    """Return the show with the most available seats that are easy to hold, and these seats."""
    by_show: dict[int, list[int]] = {}
    for show, seat in dataset.available_seats().plain:
        by_show.setdefault(show, []).append(seat)
    return max(by_show.items(), key=lambda item: len(item[1]))


@contextmanager
def _listening(port: int, show: int, count: int) -> Iterator[Any]:
    command = [sys.executable, "-m", "benchmarks.listeners", str(port), str(show), str(count)]
    process = Child(command, death_signal=signal.SIGTERM, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        _next_line(process.stdout)
        yield process.stdout
    finally:
        process.terminate()
        process.wait()


def _next_line(output: Any) -> dict[str, float]:
    line = output.readline()
    if not line:
        raise NotStarted("The listeners have ended.")
    found: dict[str, float] = json.loads(line)
    return found


class _Holder:
    """A customer who holds another seat at each call."""

    def __init__(self, web: App, token: str, show: int, seats: list[int]) -> None:
        self._connection = HTTPConnection("127.0.0.1", web.port)
        self._headers = {**PROXY, "Authorization": f"Bearer {token}"}
        self._show, self._seats = show, iter(seats)

    def __call__(self) -> None:
        body = json.dumps({"show_id": self._show, "seat_ids": [next(self._seats)]})
        headers = {**self._headers, "Content-Type": "application/json"}
        self._connection.request("POST", "/api/holds", body, headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.status not in (200, 201):
            raise NotStarted(f"The seat cannot be held: {text}")


def _deliver(live: App, hold: _Holder, listeners: Any, *, idle: float) -> dict[str, float]:
    """Change a seat, and return in seconds what all listeners' event takes.

    `cpu` is processor time beyond that of an idle second (`idle`); `delay` and `last` are the times
    from COMMIT until the average and the last listener have it.
    """
    cpu, began = cpu_seconds([live.pid]), time.monotonic()
    hold()
    committed = time.monotonic()
    arrived = _next_line(listeners)
    time.sleep(0.5)  # Work after the last arrival counts as well.
    elapsed = time.monotonic() - began
    return {
        "cpu": cpu_seconds([live.pid]) - cpu - idle * elapsed,
        "delay": max(0.001, arrived["mean"] - committed),
        "last": arrived["last"] - committed,
    }


def _print_delivery(delivered: list[dict[str, float]]) -> float:
    """Return the median of the processor time, in seconds."""
    cost = statistics.median(each["cpu"] for each in delivered)
    print(
        f"An event: {1000 * cost:.0f} ms of processor time in the live process (at most"
        f" {1000 * max(each['cpu'] for each in delivered):.0f}),"
        f" {1000 * statistics.median(each['delay'] for each in delivered):.0f} ms until it arrives"
        f" on average, {1000 * statistics.median(each['last'] for each in delivered):.0f} at the"
        " last listener",
        flush=True,
    )
    return cost


def _cost_of_poll(web: App, database: str, show: int) -> float:
    """Return the processor time of the web process and PostgreSQL for a 304, in seconds."""
    pids = [pid for pid in (web.pid, postmaster(database)) if pid]
    connection = HTTPConnection("127.0.0.1", web.port)
    etag = ""
    for remaining in range(POLLS, -1, -1):
        headers = {**PROXY, "If-None-Match": etag} if etag else PROXY
        connection.request("GET", f"/api/shows/{show}/seats?fields=status", headers=headers)
        response = connection.getresponse()
        response.read()
        if remaining == POLLS:
            etag, began = response.headers["ETag"], cpu_seconds(pids)
        elif response.status != 304:
            raise NotStarted(f"A poll was answered with {response.status}.")
    return (cpu_seconds(pids) - began) / POLLS


def _compare_with_polling(*, poll: float, event: float, idle: float, listeners: int) -> None:
    """Print the processor time a second of streams and of polls, with one change a second.

    With a core to itself, the live process reaches the last listener after the processor time of
    the event. Polls are as fresh if they find a change after this time on average: at intervals of
    twice this time.
    """
    print(f"A poll that finds no change: {1000 * poll:.2f} ms of processor time")
    for interval in (2 * event, 2.0, 5.0):
        polling = poll * listeners / interval
        print(
            f"One change a second: streams {event + idle:.2f} s of processor time a second; polls"
            f" every {interval:.1f} s {polling:.2f}, {polling / (event + idle):.1f} times as much"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-live ARGS=…", description=__doc__)
    parser.add_argument("--listeners", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=20)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotStarted as refusal:
        sys.exit(str(refusal))
