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
from contextlib import contextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.servers import NotStarted
from benchmarks.stampede import faults, fixtures, servers
from benchmarks.stampede.checker import CALM_SECONDS, Case, check
from benchmarks.stampede.final_state import write_final_state
from benchmarks.stampede.journal import Journal, read_journal
from benchmarks.stampede.plan import Plan, PlannedShow
from benchmarks.stampede.table import render
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
        _record(options, path)
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
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--faults", default="", help=f"all, or some of {','.join(faults.FAULTS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", type=Path, help="where to write the journal")
    parser.add_argument("--wsgi", default="booking_site.wsgi", help="the WSGI module to serve")
    return parser


def _record(options: Namespace, path: Path) -> None:
    """Run, and write the journal."""
    journal = _new_journal(path)
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
    names = _fault_names(options.faults)
    rng = random.Random(options.seed)  # noqa: S311 - no secret
    with servers.running_site(
        servers=options.servers, wsgi=options.wsgi, logs=path, with_cutter="commit-cut" in names
    ) as site:
        plan = Plan(
            servers=[app.url for app in site.apps],
            accounts=fixtures.create_accounts(options.users),
            seed=options.seed,
            seconds=options.seconds,
            hold_seconds=60 * servers.HOLD_MINUTES,
            reads_tables=True,
            **_shows(fixtures.create_shows(options.users)),
        )
        with _crowd(plan, journal, path) as crowd:
            _inject_faults(site, names, rng, journal, crowd, options.seconds)
        write_final_state(plan=plan, journal=journal)
        journal.write("end")


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
    site: servers.Site,
    names: list[str],
    rng: random.Random,
    journal: Journal,
    crowd: subprocess.Popen[bytes],
    seconds: float,
) -> None:
    began = time.monotonic()
    gap = min(LONGEST_GAP_SECONDS, seconds / (2 * len(names) + 1))
    time.sleep(min(CALM_SECONDS, gap))
    for name in faults.in_turn(names, rng):
        remaining = began + seconds - CALM_SECONDS - time.monotonic()
        if remaining < 0 or crowd.poll() is not None:
            break
        line = faults.inject(name, site=site, rng=rng, journal=journal)
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
    if _fault_names(options.faults) and options.urls is not None:
        raise Unusable("--faults: not allowed with --urls. Leave one of them out.")
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
        path.unlink(missing_ok=True)
        return Journal(path)
    except OSError as error:
        raise Unusable(
            f"--journal: {path} cannot be written: {error.strerror}. Name another file."
        ) from error


def _fault_names(text: str) -> list[str]:
    names = list(faults.FAULTS) if text == "all" else [name for name in text.split(",") if name]
    if unknown := set(names) - faults.FAULTS.keys():
        raise Unusable(
            f"--faults: unknown: {', '.join(sorted(unknown))}."
            f" Give all, or some of {','.join(faults.FAULTS)}."
        )
    return names


def _default_path() -> Path:
    return ROOT / ".data" / "stampede" / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}.jsonl"


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
