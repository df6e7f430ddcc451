"""Measures whether growing tables slow the site down: `make growth`."""

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import wrk
from benchmarks.dataset import Size
from benchmarks.measuring import run
from benchmarks.own_dataset import OwnDataset
from benchmarks.partitions import partition
from benchmarks.report import Results, markdown
from benchmarks.servers import (
    Checkout,
    NotStarted,
    migrate,
    production,
    serving,
    temporary_database,
)
from benchmarks.workloads import WORKLOADS, RunOptions, Target

SIZES = (10_000, 1_000_000, 10_000_000)
SOLD = 0.3  # of ten million: three million bookings
MEASURED = ("W2a", "W3", "W4")


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    run_options = RunOptions(seconds=options.seconds, connections=options.connections)
    all_results = [Results(name, WORKLOADS[name].description) for name in MEASURED]
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        sizes = [(seats, 0) for seats in options.sizes]
        sizes += [(options.sizes[-1], months) for months in options.months]
        targets = [stack.enter_context(_filled(*size, logs)) for size in sizes]
        # Sizes take turns, as the speed of the machine changes by more than the effect of size.
        for number in range(options.runs):
            for results in all_results:
                for target in targets:
                    run(results, target, run_options, is_first=number == 0)
    names = [target.name for target in targets]
    print(_table(all_results, names))
    failures = [failure for results in all_results for failure in results.failures]
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


@contextmanager
def _filled(seats: int, months: int, logs: Path) -> Iterator[Target]:
    """Serve the site on a new database with this number of seats, partitioned if `months`."""
    name = f"{seats:,} seats" + (f", {months} partitions" if months else "")
    with ExitStack() as stack:
        server = os.environ["DATABASE_URL"]
        database = stack.enter_context(
            temporary_database(server, name=f"booking_growth_{seats}_{months}")
        )
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48))
        migrate(environment, checkout=Checkout())
        size = Size(seats=seats, sold=SOLD, bare=True)
        dataset = OwnDataset(url=database, size=size, jwt_key=environment["JWT_SIGNING_KEY"])
        print(f"Filling the tables with {name} ...", flush=True)
        dataset.fill()
        if months:
            partition(database, months)
        log = logs / f"{seats}_{months}.log"
        app = stack.enter_context(serving(environment=environment, log=log))
        yield Target(name, app.url, dataset, dataset.tokens(), [app.pid])


def _table(all_results: list[Results], names: list[str]) -> str:
    """Return a Markdown table: rates, processor time, and its ratio to that of the smallest."""
    rows = []
    for results in all_results:
        rows.append([f"{results.name} /s", *(f"{results.rate(name):,.0f}" for name in names)])
        costs = [results.cost(name) for name in names]
        rows.append(
            [f"{results.name} CPU ms", *(f"{cost.app:.2f} + {cost.postgres:.2f}" for cost in costs)]
        )
        totals = [cost.app + cost.postgres for cost in costs]
        rows.append(
            [f"{results.name} CPU, ratio", *(f"{total / totals[0]:.2f}" for total in totals)]
        )
    return markdown(["", *names], rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make growth ARGS=…", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each workload at each size")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(part) for part in text.split(",")],
        default=list(SIZES),
        help="numbers of seats, e.g. 10000,1000000",
    )
    parser.add_argument(
        "--months",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[],
        help="also measure the last size with this many partitions by month, e.g. 12,36",
    )
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, NotStarted) as refusal:
        sys.exit(str(refusal))
