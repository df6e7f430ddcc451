"""The stampede finds nothing in this site, and what is wrong in sabotaged ones."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Stampede = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def stampede(tmp_path: Path) -> Stampede:
    """Run the command on servers of its own; the journal is `run.jsonl` in `tmp_path`."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DEVELOPMENT": "1", "WEB_CONCURRENCY": "1"}
        return subprocess.run(
            [sys.executable, "manage.py", "stampede", *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


def violations(table: str) -> dict[str, int]:
    """Return the number of violations of each invariant in the printed table."""
    _, _, last = table.partition("\nViolations\n")
    found = re.findall(r"^(\S.*?)  +(\d+)$", last, re.MULTILINE)
    return {name: int(count) for name, count in found}


def test_nothing_is_sold_twice_whatever_breaks(stampede: Stampede, tmp_path: Path) -> None:
    journal = str(tmp_path / "run.jsonl")
    faults = "redis-kill,redis-flush,postgres-terminate,commit-cut"
    run = stampede(
        "--users=15", "--seconds=8", f"--faults={faults}", "--seed=5", f"--journal={journal}"
    )
    assert run.returncode == 0, run.stdout + run.stderr
    again = stampede("--check", journal)
    assert again.stdout == run.stdout


def test_without_lock_and_index_seats_are_sold_twice_and_it_is_seen(
    stampede: Stampede, tmp_path: Path
) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    journal = f"--journal={tmp_path / 'run.jsonl'}"
    run = stampede("--wsgi=tests.sabotage.no_lock", "--users=15", "--seconds=4", journal)
    assert run.returncode == 1
    assert violations(run.stdout)["No seat is sold twice"] > 0


def test_a_record_written_before_its_effect_is_seen(stampede: Stampede, tmp_path: Path) -> None:
    journal = f"--journal={tmp_path / 'run.jsonl'}"
    run = stampede(
        "--wsgi=tests.sabotage.early_record",
        "--servers=1",
        "--users=15",
        "--seconds=6",
        "--faults=commit-cut",
        journal,
    )
    assert run.returncode == 1
    assert violations(run.stdout)["Every 201 exists"] > 0
