"""Measures the speed of the site, alone or compared with another build or system: `make bench`."""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import nginx, processes, report, wrk
from benchmarks.dataset import Dataset, Size
from benchmarks.measuring import run
from benchmarks.own_dataset import OwnDataset
from benchmarks.peer_dataset import PeerDataset
from benchmarks.report import Results
from benchmarks.servers import (
    SERVERS,
    App,
    Checkout,
    NotStarted,
    migrate,
    production,
    serving,
    temporary_database,
)
from benchmarks.workloads import (
    BESIDE,
    COUNTERPARTS,
    NGINX,
    PEER,
    SITE,
    WORKLOADS,
    RunOptions,
    Target,
)
from benchmarks.wrk import Load, Request

JWT_KEY = secrets.token_urlsafe(48)


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    run_options = RunOptions(seconds=options.seconds, connections=options.connections)
    all_results = [Results(name, WORKLOADS[name].description) for name in options.only]
    with ExitStack() as stack:
        logs = Path(options.logs or stack.enter_context(TemporaryDirectory()))
        logs.mkdir(parents=True, exist_ok=True)
        targets = list(_targets(stack, options, logs))
        for number in range(options.runs):
            # Targets take turns, as the speed of the machine changes from minute to minute.
            for results in all_results:
                for target in targets:
                    if target.name in WORKLOADS[results.name].on:
                        run(results, target, run_options, is_first=number == 0)
        empty = _measure_empty_answers(logs, options)
    _print_report(all_results, targets, empty)
    if options.json:
        facts = report.as_json(all_results, seats=options.seats, sold=options.sold)
        options.json.write_text(json.dumps(facts, indent=1))
    failures = [failure for results in all_results for failure in results.failures]
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def _targets(stack: ExitStack, options: argparse.Namespace, logs: Path) -> Iterator[Target]:
    """Start the targets; they run until the stack is closed."""
    size = Size(seats=options.seats, sold=options.sold)
    if "PEER" in os.environ:
        yield _peer(size)
    if options.beside:
        beside = Checkout.at(options.beside)
        yield stack.enter_context(_site(BESIDE, 1, beside, size=size, options=options, logs=logs))
    site = stack.enter_context(_site(SITE, 0, Checkout(), size=size, options=options, logs=logs))
    yield site
    if any(NGINX in WORKLOADS[name].on for name in options.only):
        proxy = stack.enter_context(nginx.serving(site.url, log=logs / "nginx.log"))
        pids = [*site.pids, proxy.pid]
        yield Target(NGINX, proxy.url, site.dataset, site.tokens, pids)


@contextmanager
def _site(
    name: str,
    redis_database: int,
    checkout: Checkout,
    *,
    size: Size,
    options: argparse.Namespace,
    logs: Path,
) -> Iterator[Target]:
    """Fill new databases, and serve a checkout on them."""
    with temporary_database(os.environ["DATABASE_URL"], name=f"benchmark_{name}") as database:
        environment = production(
            database=database,
            redis_database=redis_database,
            jwt_key=JWT_KEY,
        )
        migrate(environment, checkout=checkout)
        dataset = OwnDataset(url=database, size=size, jwt_key=JWT_KEY)
        print(f"Filling the tables of {name} ...", flush=True)
        dataset.fill()
        with serving(
            environment=environment,
            log=logs / f"{name}.log",
            server=options.server,
            checkout=checkout,
        ) as app:
            yield Target(name, app.url, dataset, dataset.tokens(), [app.pid])


def _peer(size: Size) -> Target:
    dataset: Dataset = PeerDataset(
        url=os.environ["PEER_DATABASE_URL"], size=size, jwt_key=os.environ["PEER_JWT_KEY"]
    )
    print("Filling the tables of the peer ...", flush=True)
    dataset.fill()
    pids = [int(os.environ["PEER_PID"])] if "PEER_PID" in os.environ else []
    return Target(PEER, os.environ["PEER"], dataset, dataset.tokens(), pids)


def _measure_empty_answers(logs: Path, options: argparse.Namespace) -> str:
    """Return a line about the speed of the server alone, with an application that does nothing."""
    environment = production(database=os.environ["DATABASE_URL"], jwt_key=JWT_KEY)
    log = logs / "empty.log"
    with serving(
        "benchmarks.empty", environment=environment, log=log, server=options.server
    ) as app:
        rate, milliseconds = _load_empty(app, options.connections)
    return f"An empty answer of the same server: {rate:,.0f} /s, CPU {milliseconds:.3f} ms"


def _load_empty(app: App, connections: int) -> tuple[float, float]:
    """Return answers per second, and milliseconds of processor time for one."""
    before = processes.cpu_seconds([app.pid])
    load = Load([Request("GET", "/readyz")])
    result = wrk.run(load, url=app.url, seconds=3, connections=connections)
    used = processes.cpu_seconds([app.pid]) - before
    return result.rate, 1000 * used / max(1, result.requests)


def _print_report(all_results: list[Results], targets: list[Target], empty: str) -> None:
    print(f"\n{report.table(all_results)}")
    names = {target.name for target in targets}
    for other in names & {BESIDE, PEER}:
        print(f"\n{report.factors(all_results, of=SITE, to=other)}")
        if NGINX in names:
            print(f"\n{report.factors(all_results, of=NGINX, to=other, pairs=COUNTERPARTS)}")
    print(f"\n{empty}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=…",
        description="Measure the workloads W1 to W9; see docs/performance.md. PEER=http://… in the"
        " environment, with PEER_DATABASE_URL, PEER_JWT_KEY and, for its processor time,"
        " PEER_PID, also measures another system.",
    )
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each workload on each target")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument(
        "--only", type=_workloads, default=list(WORKLOADS), help="some of them, e.g. W3,W5"
    )
    parser.add_argument("--server", choices=SERVERS, default=SERVERS[0])
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="PATH",
        help="also measure another checkout of this project, with packages in its .venv",
    )
    parser.add_argument("--seats", type=int, default=192_000, help="in ordinary shows")
    parser.add_argument("--sold", type=float, default=0.0, help="share sold before, e.g. 0.3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run")
    parser.add_argument("--logs", metavar="DIR", help="keep the servers' logs here")
    return parser


def _workloads(text: str) -> list[str]:
    if unknown := set(text.split(",")) - WORKLOADS.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return text.split(",")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, nginx.NoNginx, NotStarted) as refusal:
        sys.exit(str(refusal))
