"""Measures what PgBouncer, HAProxy and standbys cost a booking: `make bench-cluster`."""

import argparse
import os
import re
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from statistics import median
from string import Template
from urllib.parse import urlsplit

import psycopg

from benchmarks import report, wrk
from benchmarks.dataset import Size
from benchmarks.measuring import run
from benchmarks.own_dataset import OwnDataset
from benchmarks.report import Results
from benchmarks.servers import (
    UNLIMITED,
    Checkout,
    NotStarted,
    free_port,
    listens,
    migrate,
    serving,
    temporary_database,
    wait_until,
)
from benchmarks.workloads import WORKLOADS, RunOptions, Target
from booking_site.embedded.cluster import Cluster, enter_namespaces, running_cluster
from booking_site.embedded.cluster.namespaces import SEARCH_PATH, add_machine
from booking_site.embedded.cluster.nodes import CONFIGURATION
from booking_site.embedded.cluster.parts import Part
from booking_site.embedded.postgres import start_postgres
from booking_site.embedded.processes import Child, StartupError

SERVERS = (1, 2, 4)
SIZE = Size(seats=96_000, sold=0.0, bare=True)
JWT_KEY = secrets.token_urlsafe(48)
DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Database:
    """A dataset, and the URL by which web processes reach it without a pooler."""

    url: str
    dataset: OwnDataset


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    enter_namespaces(parent=os.getppid())
    results = Results("W3", WORKLOADS["W3"].description)
    with ExitStack() as stack:
        cluster = stack.enter_context(
            running_cluster(servers=max(SERVERS), JWT_SIGNING_KEY=JWT_KEY, **UNLIMITED)
        )
        cluster.worker.stop()  # It would send confirmations during some runs.
        targets = [
            *_direct_routes(stack, cluster, options.pgbouncer),
            *_cluster_routes(stack, cluster, options.pgbouncer),
        ]
        for number in range(options.runs):
            for servers, target in targets:  # in turns, as the speed of the machine changes
                _use(cluster, servers)
                connections = options.connections * servers
                load = RunOptions(seconds=options.seconds, connections=connections)
                run(results, target, load, is_first=number == 0)
    print(f"\n{_table(results)}")
    for failure in results.failures:
        print(f"FAILED: {failure}")
    return 1 if results.failures else 0


Routes = Iterator[tuple[int, Target]]  # with the number of app servers that HAProxy uses


def _direct_routes(stack: ExitStack, cluster: Cluster, newer: str | None) -> Routes:
    """Serve the site with a PostgreSQL that has no standbys."""
    url = stack.enter_context(_postgres_alone(cluster))
    alone = Database(url, _filled(url))
    yield 1, stack.enter_context(_site(DIRECT, cluster, alone))
    yield 1, stack.enter_context(_site("direct, prepared", cluster, alone, prepares=True))
    yield 1, stack.enter_context(_site("PgBouncer", cluster, alone, pooler="pgbouncer"))
    if newer:
        name = "newer PgBouncer, prepared"
        yield 1, stack.enter_context(_site(name, cluster, alone, pooler=newer, prepares=True))


def _cluster_routes(stack: ExitStack, cluster: Cluster, newer: str | None) -> Routes:
    """Serve the site with the cluster's PostgreSQL, through more and more of its other parts."""
    primary = cluster.primary()
    dataset = _filled(primary.url)
    password = cluster.values["WEB_PASSWORD"]
    direct, balanced = (
        Database(f"postgres://booking_web:{password}@{machine.address}:5432/booking", dataset)
        for machine in (primary, cluster.balancer)
    )
    haproxy = _pid(cluster.balancer.parts["haproxy"])
    yield 1, stack.enter_context(_site("standbys", cluster, direct))
    target = stack.enter_context(_site("standbys, HAProxy", cluster, balanced))
    yield 1, replace(target, proxies=[haproxy])
    for servers in SERVERS:
        used = [server.parts for server in cluster.servers[:servers]]
        yield (
            servers,
            Target(
                f"cluster, app servers: {servers}",
                cluster.url,
                dataset,
                dataset.tokens(),
                [_pid(parts["web"]) for parts in used],
                [haproxy, *(_pid(parts["pgbouncer"]) for parts in used)],
            ),
        )
    if newer:
        name = "standbys, HAProxy, newer PgBouncer, prepared"
        target = stack.enter_context(_site(name, cluster, balanced, pooler=newer, prepares=True))
        yield 1, replace(target, proxies=[haproxy, *target.proxies])


@contextmanager
def _postgres_alone(cluster: Cluster) -> Iterator[str]:
    """Run PostgreSQL without standbys, on a disk such as the cluster's; yield a database's URL."""
    disk = add_machine("alone", "10.77.0.50", megabytes=2048)
    server = start_postgres(replace(cluster.directory, path=disk))
    roles = (CONFIGURATION / "roles.sql").read_text()
    try:
        with (
            temporary_database(server.url, name="booking") as url,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            # The limits of the web role, because PgBouncer does not pass them on.
            for setting in re.findall(r"ALTER ROLE booking_web (SET .+);", roles):
                connection.execute(f"ALTER ROLE CURRENT_USER {setting}".encode())
            migrate(cluster.commands_environment() | {"DATABASE_URL": url}, checkout=Checkout())
            yield url
    finally:
        server.stop()


def _filled(url: str) -> OwnDataset:
    dataset = OwnDataset(url=url, size=SIZE, jwt_key=JWT_KEY)
    dataset.fill()
    return dataset


@contextmanager
def _site(
    name: str,
    cluster: Cluster,
    database: Database,
    *,
    pooler: str | None = None,
    prepares: bool = False,
) -> Iterator[Target]:
    """Serve the site on the machine of the benchmark, with a PgBouncer if `pooler` names one."""
    with ExitStack() as stack:
        url, proxies = database.url, []
        if pooler:
            url, pid = stack.enter_context(_pgbouncer(pooler, url, cluster))
            proxies.append(pid)
        environment = cluster.web_environment() | {
            "DATABASE_URL": url,
            "DATABASE_DIRECT_URL": database.dataset.url,
            "DATABASE_PREPARE": str(int(prepares)),
            "REPLICA_URL": "",
        }
        log = cluster.directory.path / "benchmark.log"
        app = stack.enter_context(serving(environment=environment, log=log))
        tokens = database.dataset.tokens()
        yield Target(name, app.url, database.dataset, tokens, [app.pid], proxies)


@contextmanager
def _pgbouncer(pooler: str, url: str, cluster: Cluster) -> Iterator[tuple[str, int]]:
    """Run PgBouncer as the app servers do; yield the URL through it, and its process id."""
    server, port = urlsplit(url), free_port()
    directory = cluster.directory.path / f"pgbouncer{port}"
    directory.mkdir(mode=0o700)
    (directory / "users.txt").write_text(f'"{server.username}" "{server.password}"\n')
    values = cluster.values | {"BALANCER": str(server.hostname), "DIRECTORY": str(directory)}
    text = Template((CONFIGURATION / "pgbouncer.ini").read_text()).substitute(values)
    text = text.replace("port=5432", f"port={server.port}")
    text = text.replace("listen_port = 6432", f"listen_port = {port}")
    (file := directory / "pgbouncer.ini").write_text(text)
    with (directory / "log").open("ab") as log:
        process = Child(
            [pooler, file],
            death_signal=signal.SIGTERM,
            env={"PATH": SEARCH_PATH},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: listens(port), what=f"PgBouncer, which logs to {log.name},")
        account = f"{server.username}:{server.password}"
        yield server._replace(netloc=f"{account}@127.0.0.1:{port}").geturl(), process.pid
    finally:
        process.terminate()
        process.wait()


def _pid(part: Part) -> int:
    assert part.process is not None  # noqa: S101 - for the type checker
    return part.process.pid


def _use(cluster: Cluster, servers: int) -> None:
    """Let HAProxy send requests to the first app servers only."""
    for server in cluster.servers:
        state = "ready" if server.number <= servers else "maint"
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(str(cluster.balancer.directory / "haproxy.sock"))
            console.sendall(f"set server app/{server.name} state {state}\n".encode())
            console.recv(1024)


def _table(results: Results) -> str:
    """Return a Markdown table: processor time of each route, and its ratio to the direct one.

    Ratios are those of one turn, because the speed of the machine changes between turns.
    """
    rows = []
    for name, costs in results.costs.items():
        cost = results.cost(name)
        ratios = [
            (each.app + each.postgres) / (base.app + base.postgres)
            for each, base in zip(costs, results.costs[DIRECT], strict=True)
        ]
        numbers = (cost.app, cost.postgres, cost.proxies, median(ratios))
        rows.append([name, *(f"{number:.2f}" for number in numbers)])
    return report.markdown(["", "app ms", "PostgreSQL ms", "proxies ms", "ratio"], rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-cluster ARGS=…", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="on each route")
    parser.add_argument("--connections", type=int, default=32, help="for each app server")
    parser.add_argument(
        "--pgbouncer",
        metavar="PROGRAM",
        help="also measure prepared statements through this PgBouncer, 1.24 or newer",
    )
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, NotStarted, StartupError) as refusal:
        sys.exit(str(refusal))
