"""The stampede finds no violation on this site, and the violations of sabotaged ones."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.stampede.director import main

Stampede = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def stampede(tmp_path: Path) -> Stampede:
    """Run the command on its own servers; the journal is `run.jsonl` in `tmp_path`."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DEVELOPMENT": "1", "WEB_CONCURRENCY": "1"}
        del environment["DATABASE_URL"]  # It starts a server of its own.
        return subprocess.run(
            [sys.executable, "-m", "benchmarks.stampede", *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("--users", "0", "from 1"),
        ("--servers", "0", "from 1"),
        ("--seconds", "-3", "greater than 0"),
        ("--seconds", "nan", "greater than 0"),
        ("--faults", "flood", "redis-kill"),
        ("--urls", "", "http://127.0.0.1:8000"),
        ("--urls", "localhost:8000", "http://127.0.0.1:8000"),
        ("--journal", "/dev/null/x", "another file"),
        ("--without", "quorum", "--cluster"),
        ("--last-release", ".", "--cluster"),
    ],
)
def test_an_invalid_option_is_named_with_a_remedy(
    option: str, value: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"{option}={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(option)
    assert remedy in line


def test_faults_are_not_injected_into_running_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--urls=http://127.0.0.1:8000", "--faults=all"]) == 2
    assert capsys.readouterr().err.startswith("--faults: ")


def test_a_server_that_does_not_answer_is_named_in_one_line(
    stampede: Stampede, tmp_path: Path
) -> None:
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        run = stampede("--urls", address, f"--journal={tmp_path / 'run.jsonl'}")
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"--urls: {address} does not answer: ")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it has no plan"),
        (b"\xff\xfe", "Line 1 of"),
        (b"[]", "Line 1 of"),
        (b'{"kind": "end"}', "Line 1 of"),
        (b'{"kind": "tale", "at": 1, "time": 1}', "Line 1 of"),
        (b'{"kind": "plan", "at": 1, "time": 1}', "Line 1 of"),
        (b'{"kind": "end", "at": 1, "time": 1}\n{"kind": "pl', "Line 2 of"),
        (b'{"kind": "call", "at": 1, "time": 1}', "Line 1 of"),
        (b'{"kind": "answer", "at": 1, "time": 1, "id": "x"}', "Line 1 of"),
    ],
)
def test_a_file_that_is_not_a_journal_is_refused(
    tmp_path: Path, content: bytes, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    assert main([f"--check={path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("--check: ")
    assert complaint in error


def test_a_journal_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "missing.jsonl", tmp_path):
        assert main([f"--check={path}"]) == 2
        assert capsys.readouterr().err.startswith(f"--check: {path} cannot be read: ")


def violations(table: str) -> dict[str, int]:
    """Return the number of violations of each invariant in the printed table."""
    _, _, last = table.partition("\nViolations\n")
    found = re.findall(r"^(\S.*?)  +(\d+)$", last, re.MULTILINE)
    return {name: int(count) for name, count in found}


def test_no_seat_is_sold_twice_whatever_breaks(stampede: Stampede, tmp_path: Path) -> None:
    journal = str(tmp_path / "run.jsonl")
    faults = "redis-kill,redis-flush,postgres-terminate,commit-cut"
    run = stampede(
        "--users=15", "--seconds=8", f"--faults={faults}", "--seed=5", f"--journal={journal}"
    )
    assert run.returncode == 0, run.stdout + run.stderr
    again = stampede("--check", journal)
    assert again.stdout == run.stdout


def test_without_lock_and_index_double_sales_are_detected(
    stampede: Stampede, tmp_path: Path
) -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    journal = f"--journal={tmp_path / 'run.jsonl'}"
    run = stampede("--wsgi=tests.sabotage.no_lock_no_index", "--users=15", "--seconds=4", journal)
    assert run.returncode == 1
    assert violations(run.stdout)["No seat is sold twice"] > 0


def test_a_missing_index_is_detected(stampede: Stampede, tmp_path: Path) -> None:
    journal = f"--journal={tmp_path / 'run.jsonl'}"
    run = stampede("--wsgi=tests.sabotage.no_index", "--users=5", "--seconds=2", journal)
    assert run.returncode == 1
    assert violations(run.stdout)["The tables agree (doctor)"] == 1


def test_a_missing_lock_is_detected(stampede: Stampede, tmp_path: Path) -> None:
    """The index still prevents a second sale, but holds conflict with each other.

    A single short run may miss it, so several are run.
    """
    arguments = ["--wsgi=tests.sabotage.no_lock", "--users=15", "--seconds=6"]
    arguments.append(f"--journal={tmp_path / 'run.jsonl'}")
    assert any(stampede(*arguments, f"--seed={seed}").returncode == 1 for seed in range(6))


def test_a_record_committed_before_its_effect_is_detected(
    stampede: Stampede, tmp_path: Path
) -> None:
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
