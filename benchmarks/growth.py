"""Whether the site stays as fast as its house grows. `make growth`."""

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import wrk
from benchmarks.house import Size
from benchmarks.measuring import run, say
from benchmarks.own_house import OwnHouse
from benchmarks.report import Line
from benchmarks.servers import NotStarted, database_of_its_own, migrate, production, serving
from benchmarks.workloads import WORKLOADS, Target, Terms

SIZES = (10_000, 1_000_000, 10_000_000)
SOLD = 0.3  # of ten million: three million bookings
MEASURED = ("W2a", "W3", "W4")


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    terms = Terms(seconds=options.seconds, connections=options.connections)
    lines = [Line(name, WORKLOADS[name][0]) for name in MEASURED]
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        targets = [stack.enter_context(_filled(seats, logs)) for seats in options.sizes]
        # In turns: how fast the machine is changes by more than what is looked for.
        for number in range(options.runs):
            for line in lines:
                for target in targets:
                    run(line, target, terms, is_first=number == 0)
    names = [target.name for target in targets]
    say(_table(lines, names))
    flaws = [flaw for line in lines for flaw in line.flaws]
    for flaw in flaws:
        say(f"FLAW: {flaw}")
    return 1 if flaws else 0


@contextmanager
def _filled(seats: int, logs: Path) -> Iterator[Target]:
    """Serve a house with so many seats, in a database of its own."""
    name = f"{seats:,} seats"
    with ExitStack() as stack:
        server = os.environ["DATABASE_URL"]
        database = stack.enter_context(database_of_its_own(server, name=f"booking_growth_{seats}"))
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48))
        migrate(environment)
        size = Size(seats=seats, sold=SOLD, bare=True)
        house = OwnHouse(url=database, size=size, jwt_key=environment["JWT_SIGNING_KEY"])
        say(f"Filling the tables with {name} ...")
        house.fill()
        app = stack.enter_context(
            serving("booking_site.wsgi", environment=environment, log=logs / f"{seats}.log")
        )
        yield Target(name, app.url, house, house.tokens(), app.pid)


def _table(lines: list[Line], names: list[str]) -> str:
    """Return a Markdown table: rates, processor time, and its ratio to that of the smallest."""
    rows = [["", *names], ["---", *["---:"] * len(names)]]
    for line in lines:
        rows.append([f"{line.name} /s", *(f"{line.rate(name):,.0f}" for name in names)])
        costs = [line.cost(name) for name in names]
        rows.append(
            [f"{line.name} CPU ms", *(f"{cost.app:.2f} + {cost.postgres:.2f}" for cost in costs)]
        )
        totals = [cost.app + cost.postgres for cost in costs]
        rows.append([f"{line.name} CPU, ratio", *(f"{total / totals[0]:.2f}" for total in totals)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


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
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, NotStarted) as refusal:
        sys.exit(str(refusal))
