"""A short stampede on the cluster, and the violations that it finds where a guard is missing."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks.test_stampede import violations

Stampede = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that the ordinary user of the cluster's namespaces can reach."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


@pytest.fixture
def stampede(directory: Path) -> Stampede:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DEVELOPMENT": "1", "WEB_CONCURRENCY": "1"}
        del environment["DATABASE_URL"]  # The cluster has a server of its own.
        command = [sys.executable, "-m", "benchmarks.stampede", "--cluster"]
        return subprocess.run(
            [*command, f"--journal={directory / 'run.jsonl'}", "--users=15", *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


def test_a_cluster_loses_no_booking_whatever_breaks(stampede: Stampede) -> None:
    faults = "primary-kill,switchover,standby-freeze,redis-kill,pgbouncer-kill"
    run = stampede("--servers=2", "--seconds=50", f"--faults={faults}", "--seed=2")
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^primary-kill +\d times: median", run.stdout, re.MULTILINE)


def test_asynchronous_replication_loses_bookings(stampede: Stampede) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    run = stampede("--without=quorum", "--servers=1", "--seconds=15", "--faults=commit-waits-ended")
    assert run.returncode == 1, run.stdout + run.stderr
    assert violations(run.stdout)["Every 201 exists"] > 0


def test_two_primaries_sell_seats_twice(stampede: Stampede) -> None:
    """Guards the first test as well: nothing stops the former primary."""
    run = stampede("--without=fencing", "--servers=2", "--seconds=35", "--faults=patroni-kill")
    assert run.returncode == 1, run.stdout + run.stderr
    found = violations(run.stdout)
    assert found["No seat is sold twice"] + found["Every 201 exists"] > 0
