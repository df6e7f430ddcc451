"""All customers in one process: `python -m benchmarks.stampede.crowd JOURNAL < PLAN`.

Reports its progress on standard error.
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
# How long a request whose outcome is unknown is repeated after the end.
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
            settle_until=ends + SETTLING_SECONDS,
        )
        for number in range(len(plan.accounts))
    ]
    with ThreadPoolExecutor(len(customers)) as pool:
        running = [pool.submit(customer.run) for customer in customers]
        _report(running, tally, began)
    for each in running:
        each.result()
    _read_final_answers(plan, journal)


def _report(running: list[Future[None]], tally: Tally, began: float) -> None:
    pending = set(running)
    while pending:
        _, pending = wait(pending, timeout=PROGRESS_SECONDS)
        sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {tally}\n")


def _read_final_answers(plan: Plan, journal: Journal) -> None:
    """Read every seat map and every user's bookings, now that nothing changes any more."""
    for number, account in enumerate(plan.accounts):
        client = Client(
            name=f"last{number}", account=account, servers=plan.servers, journal=journal
        )
        requests = [Request("bookings", "GET", "/api/bookings?page_size=500")]
        if number == 0:
            requests += [
                Request("last_map", "GET", f"/api/shows/{show.show_id}/seats", show.show_id)
                for show in plan.shows
            ]
        for request in requests:
            for server in range(len(plan.servers)):
                client.send(request, server=server)
        client.close()


if __name__ == "__main__":
    main()
