"""The crowd, over HTTP only: `python -m benchmarks.stampede.crowd JOURNAL < PLAN`.

Says every few seconds on standard error how far it is.
"""

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from benchmarks.stampede.client import Client, Request
from benchmarks.stampede.customer import Customer, Tally
from benchmarks.stampede.journal import Journal
from benchmarks.stampede.plan import Plan

PROGRESS_SECONDS = 5.0
# How long a wish whose outcome is unknown is repeated after the end.
SETTLING_SECONDS = 60.0


def main() -> None:
    plan = Plan.load(sys.stdin.read())
    journal = Journal(Path(sys.argv[1]))
    tally = Tally()
    began = time.monotonic()
    ends = began + plan.seconds
    customers = [
        Customer(
            number=number,
            plan=plan,
            journal=journal,
            tally=tally,
            ends=ends,
            gives_up=ends + SETTLING_SECONDS,
        )
        for number in range(len(plan.people))
    ]
    with ThreadPoolExecutor(len(customers)) as pool:
        playing = [pool.submit(customer.play) for customer in customers]
        _report(playing, tally, began)
    for each in playing:
        each.result()
    _look_around(plan, journal)


def _report(playing: list[Future[None]], tally: Tally, began: float) -> None:
    left = set(playing)
    while left:
        _, left = wait(left, timeout=PROGRESS_SECONDS)
        sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {tally}\n")


def _look_around(plan: Plan, journal: Journal) -> None:
    """Read every seat map once more, now that nobody acts, and everybody's own bookings."""
    for number, person in enumerate(plan.people):
        client = Client(name=f"last{number}", person=person, servers=plan.servers, journal=journal)
        looks = [Request("bookings", "GET", "/api/bookings?page_size=500")]
        if number == 0:
            looks += [
                Request("last_map", "GET", f"/api/shows/{room.show_id}/seats", room.show_id)
                for room in plan.rooms
            ]
        for look in looks:
            for server in range(len(plan.servers)):
                client.send(look, server=server)
        client.close()


if __name__ == "__main__":
    main()
