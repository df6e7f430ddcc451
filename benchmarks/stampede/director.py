"""Send many customers to several servers, inject faults, and check every guarantee.

`make stampede` runs it. Exit code 1: a guarantee was broken; 2: nothing could be checked.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.servers import Checkout, NotStarted
from benchmarks.stampede import cluster_faults, faults, fixtures, servers
from benchmarks.stampede.checker import CALM_SECONDS, DEPLOY, Case, check
from benchmarks.stampede.cluster import GUARDS, ClusterSite, running_cluster_site
from benchmarks.stampede.final_state import write_final_state
from benchmarks.stampede.journal import Journal, read_journal
from benchmarks.stampede.plan import Plan, PlannedShow
from benchmarks.stampede.table import render
from booking_site.embedded.cluster import enter_namespaces
from booking_site.embedded.processes import Child, StartupError

ROOT = Path(__file__).parents[2]
LONGEST_GAP_SECONDS = 3.0
# The default length of a hold; the settings of a site at --urls are unknown here.
USUAL_HOLD_SECONDS = 600
VIOLATIONS, NOT_CHECKED = 1, 2


class Unusable(Exception):
    """An option, a file or a machine that allows no run; the message names it."""


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.check:
            return _check(options.check)
        _validate(options)
        path = options.journal or _default_path()
        journal = _new_journal(path)
        if options.cluster:
            _enter_namespaces(path)
        _record(options, journal, path)
        return _check(path)
    except Unusable as error:
        sys.stderr.write(f"{error}\n")
        return NOT_CHECKED


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="make stampede ARGS=…",
        description="Send many customers to several servers, inject faults, and check from"
        " outside that every guarantee holds. Exit code 1 when one is broken, 2 when nothing"
        " could be checked.",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--servers", type=int, default=2, help="app servers to start")
    target.add_argument(
        "--urls", help="use these running servers, separated by commas, without faults"
    )
    target.add_argument("--check", type=Path, metavar="JOURNAL", help="only check a journal again")
    parser.add_argument(
        "--cluster", action="store_true", help="start the cluster of deploy/cluster"
    )
    parser.add_argument(
        "--without", choices=GUARDS, help="a control: the cluster without one of its guards"
    )
    parser.add_argument(
        "--last-release", type=Path, metavar="DIRECTORY", help="a checkout of an older commit"
    )
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument(
        "--faults",
        default="",
        help=f"all, or some of {','.join(faults.FAULTS)};"
        f" with --cluster, of {','.join(cluster_faults.FAULTS)}",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", type=Path, help="where to write the journal")
    parser.add_argument("--wsgi", default="booking_site.wsgi", help="the WSGI module to serve")
    return parser


def _enter_namespaces(path: Path) -> None:
    """Run the same command in the namespaces of the cluster; there, return at once."""
    try:
        _logs(path).mkdir(exist_ok=True)
        for each in (path, _logs(path)):
            each.chmod(0o777)  # Inside, root is an ordinary user.
        sys.orig_argv.append(f"--journal={path}")
        enter_namespaces()
    except StartupError as error:
        raise Unusable(str(error)) from error


def _record(options: Namespace, journal: Journal, path: Path) -> None:
    """Run, and write the journal."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.urls is not None:
            _use_running_servers(options, journal, path)
        else:
            _start_servers(options, journal, path)
    except fixtures.SiteUnusable as error:
        raise Unusable(f"--urls: {error} Name running servers of this site.") from error
    except (StartupError, NotStarted) as error:
        raise Unusable(str(error)) from error
    finally:
        journal.close()


def _start_servers(options: Namespace, journal: Journal, path: Path) -> None:
    chosen = _faults(options)
    rng = random.Random(options.seed)  # noqa: S311 - no secret
    with _running_site(options, "commit-cut" in chosen, path) as site:
        plan = Plan(
            servers=site.addresses,
            accounts=fixtures.create_accounts(options.users),
            seed=options.seed,
            seconds=options.seconds,
            hold_seconds=60 * servers.HOLD_MINUTES,
            reads_tables=True,
            has_standbys=options.cluster,
            **_shows(fixtures.create_shows(options.users)),
        )
        with _crowd(plan, journal, path) as crowd:
            _inject_faults(site, chosen, rng, journal, crowd, options.seconds)
        write_final_state(plan=plan, journal=journal)
        journal.write("end")


def _running_site(
    options: Namespace, with_cutter: bool, path: Path
) -> AbstractContextManager[servers.Site | ClusterSite]:
    if options.cluster:
        return running_cluster_site(
            servers=options.servers,
            last_release=options.last_release and Checkout.at(options.last_release),
            without=options.without,
            logs=_logs(path),
        )
    return servers.running_site(
        servers=options.servers, wsgi=options.wsgi, logs=path, with_cutter=with_cutter
    )


def _use_running_servers(options: Namespace, journal: Journal, path: Path) -> None:
    """Send the customers to servers started by others, without faults."""
    addresses = options.urls.split(",")
    fixtures.require_ready(addresses)
    plan = Plan(
        servers=addresses,
        accounts=fixtures.register_accounts(addresses[0], options.users),
        seed=options.seed,
        seconds=options.seconds,
        hold_seconds=USUAL_HOLD_SECONDS,
        reads_tables=bool(os.environ.get("DATABASE_URL")),
        **_shows(fixtures.find_shows(addresses[0])),
    )
    with _crowd(plan, journal, path):
        pass
    if plan.reads_tables:
        write_final_state(plan=plan, journal=journal)
    journal.write("end")


def _inject_faults(
    site: servers.Site | ClusterSite,
    chosen: dict[str, faults.Fault],
    rng: random.Random,
    journal: Journal,
    crowd: subprocess.Popen[bytes],
    seconds: float,
) -> None:
    began = time.monotonic()
    gap = min(LONGEST_GAP_SECONDS, seconds / (2 * len(chosen) + 1))
    time.sleep(min(CALM_SECONDS, gap))
    for name in faults.in_turn(list(chosen), rng):
        remaining = began + seconds - CALM_SECONDS - time.monotonic()
        if remaining < 0 or crowd.poll() is not None:
            break
        line = faults.inject(name, chosen[name], site=site, rng=rng, journal=journal)
        sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {line}\n")
        time.sleep(rng.uniform(0.3, 1) * gap)


def _check(path: Path) -> int:
    """Print the table of a journal; return the exit code."""
    try:
        case = Case(read_journal(path))
    except OSError as error:
        raise Unusable(f"--check: {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Unusable(f"--check: {error} Name a file written by --journal.") from error
    violations = check(case)
    sys.stdout.write(f"{render(case, violations)}\n\nJournal: {path}\n")
    if any(violations.values()):
        return VIOLATIONS
    if reason := case.why_inconclusive:
        raise Unusable(f"This proves nothing: {reason}")
    return 0


@contextmanager
def _crowd(plan: Plan, journal: Journal, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the crowd, and wait until it ends."""
    journal.write("plan", **plan.for_journal())
    with tempfile.TemporaryFile() as stdin:
        stdin.write(plan.dump().encode())
        stdin.seek(0)
        crowd = Child(
            [sys.executable, "-m", "benchmarks.stampede.crowd", path],
            death_signal=signal.SIGKILL,
            stdin=stdin,
        )
    try:
        yield crowd
        if crowd.wait():
            raise Unusable(f"The crowd ended with exit code {crowd.returncode}.")
    finally:
        crowd.kill()
        crowd.wait()


def _shows(shows: list[PlannedShow]) -> dict[str, Any]:
    return {
        "shows": shows,
        "hot_show": shows[0].show_id,
        "hot_seats": fixtures.hot_seats_of(shows[0]),
    }


def _validate(options: Namespace) -> None:
    """Raise Unusable naming the first invalid option."""
    for name in ("servers", "users"):
        if (number := getattr(options, name)) < 1:
            raise Unusable(f"--{name} {number}: give a whole number from 1.")
    if not 0 < options.seconds < inf:
        raise Unusable(f"--seconds {options.seconds:g}: give a number greater than 0.")
    if _faults(options) and options.urls is not None:
        raise Unusable("--faults: not allowed with --urls. Leave one of them out.")
    if options.cluster and options.urls is not None:
        raise Unusable("--cluster: not allowed with --urls. Leave one of them out.")
    for name, value in (("without", options.without), ("last-release", options.last_release)):
        if value is not None and not options.cluster:
            raise Unusable(f"--{name}: add --cluster.")
    if options.last_release is not None and not (options.last_release / "deploy/serve").exists():
        raise Unusable(f"--last-release {options.last_release}: name a checkout of this project.")
    addresses = [] if options.urls is None else options.urls.split(",")
    if nonsense := [address for address in addresses if not _is_address(address)]:
        raise Unusable(
            f"--urls {nonsense[0]!r}: give addresses such as http://127.0.0.1:8000,"
            " separated by commas."
        )


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port isn't a number
        return False


def _new_journal(path: Path) -> Journal:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return Journal(path)
    except OSError as error:
        raise Unusable(
            f"--journal: {path} cannot be written: {error.strerror}. Name another file."
        ) from error


def _faults(options: Namespace) -> dict[str, faults.Fault]:
    known = dict(cluster_faults.FAULTS if options.cluster else faults.FAULTS)
    if options.last_release is None:
        known.pop(DEPLOY, None)
    text = options.faults
    names = list(known) if text == "all" else [name for name in text.split(",") if name]
    if unknown := set(names) - known.keys():
        raise Unusable(
            f"--faults: unknown: {', '.join(sorted(unknown))}."
            f" Give all, or some of {','.join(known)}."
        )
    return {name: known[name] for name in names}


def _default_path() -> Path:
    return ROOT / ".data" / "stampede" / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}.jsonl"


def _logs(path: Path) -> Path:
    """Return the directory for the logs of a cluster, beside the journal."""
    return path.with_suffix(".logs")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
