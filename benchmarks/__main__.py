"""How fast the site is, beside its floors and, if one is named, another system. `make bench`."""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import cpu, floors, report, wrk
from benchmarks.house import House, Size
from benchmarks.measuring import run, say
from benchmarks.own_house import OwnHouse
from benchmarks.peer_house import PeerHouse
from benchmarks.report import Line
from benchmarks.servers import (
    NotStarted,
    database_of_its_own,
    migrate,
    production,
    serving,
)
from benchmarks.workloads import NOT_FOR_PEERS, WORKLOADS, Target, Terms
from benchmarks.wrk import Load, Request

SITE, PEER = "site", "peer"
FLOOR_SECONDS = 5


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    terms = Terms(seconds=options.seconds, connections=options.connections)
    size = Size(seats=options.seats, sold=options.sold)
    lines = [Line(name, WORKLOADS[name][0]) for name in options.only]
    with ExitStack() as stack:
        logs = Path(options.logs or stack.enter_context(TemporaryDirectory()))
        logs.mkdir(parents=True, exist_ok=True)
        database = stack.enter_context(database_of_its_own(os.environ["DATABASE_URL"]))
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48))
        migrate(environment)
        house = OwnHouse(url=database, size=size, jwt_key=environment["JWT_SIGNING_KEY"])
        say("Filling the tables ...")
        house.fill()
        # First: what fails here would else fail when all else is measured.
        for line in lines:
            if options.floors and line.name in floors.FLOORS:
                line.floor = floors.measure(
                    line.name,
                    database=database,
                    seconds=FLOOR_SECONDS,
                    connections=terms.connections,
                )
        targets = list(_peer(size))
        empty, empty_cpu = _empty_answers(environment, terms, logs, options.server)
        app = stack.enter_context(
            serving(
                "booking_site.wsgi",
                environment=environment,
                log=logs / "site.log",
                server=options.server,
            )
        )
        targets.append(Target(SITE, app.url, house, house.tokens(), app.pid))
        for number in range(options.runs):
            for line in lines:
                for target in targets:
                    if target.name == SITE or line.name not in NOT_FOR_PEERS:
                        run(line, target, terms, is_first=number == 0)
    say(report.table(lines, peer=PEER if "PEER" in os.environ else None))
    say(f"An empty answer of the same server: {empty:,.0f} /s, CPU {empty_cpu:.3f} ms")
    if options.json:
        facts = report.as_json(lines, seats=size.seats, sold=size.sold, empty=empty)
        options.json.write_text(json.dumps(facts, indent=1))
    flaws = [flaw for line in lines for flaw in line.flaws]
    for flaw in flaws:
        say(f"FLAW: {flaw}")
    return 1 if flaws else 0


def _empty_answers(
    environment: Mapping[str, str], terms: Terms, logs: Path, server: str
) -> tuple[float, float]:
    """Return how many empty answers the server gives in a second, and the CPU time of one in ms."""
    log = logs / "empty.log"
    with serving("benchmarks.empty", environment=environment, log=log, server=server) as app:
        load = Load([Request("GET", "/readyz")])
        before = cpu.of_tree(app.pid)
        result = wrk.run(load, url=app.url, seconds=3, connections=terms.connections)
        used = cpu.of_tree(app.pid) - before
        return result.rate, 1000 * used / max(1, result.requests)


def _peer(size: Size) -> Iterator[Target]:
    if "PEER" not in os.environ:
        return
    house: House = PeerHouse(
        url=os.environ["PEER_DATABASE_URL"], size=size, jwt_key=os.environ["PEER_JWT_KEY"]
    )
    house.fill()
    pid = int(os.environ["PEER_PID"]) if "PEER_PID" in os.environ else None
    yield Target(PEER, os.environ["PEER"], house, house.tokens(), pid)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=…",
        description="Measure the workloads W1 to W8; see docs/performance.md. PEER=http://… in the"
        " environment, with PEER_DATABASE_URL, PEER_JWT_KEY and, for its processor time,"
        " PEER_PID, measures another system beside.",
    )
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each workload, in turns")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument(
        "--only", type=_workloads, default=list(WORKLOADS), help="some of them, e.g. W3,W5"
    )
    parser.add_argument("--server", choices=["granian", "gunicorn"], default="granian")
    parser.add_argument("--seats", type=int, default=192_000, help="how large the house is")
    parser.add_argument("--sold", type=float, default=0.0, help="the share sold before, e.g. 0.3")
    parser.add_argument("--no-floors", dest="floors", action="store_false")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured")
    parser.add_argument("--logs", metavar="DIR", help="keep the servers' logs here")
    return parser


def _workloads(text: str) -> list[str]:
    if unknown := set(text.split(",")) - WORKLOADS.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return text.split(",")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, floors.NoPgbench, NotStarted) as refusal:
        sys.exit(str(refusal))
