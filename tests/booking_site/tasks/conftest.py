"""Workers in processes of their own, on the test's database."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.stampede.servers import SKEWED_CLOCK
from tests.web import ROOT, database_url

StartWorker = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Start the command with options; its clock may be wrong by `skew` seconds."""
    started = []

    def start(
        *options: str, skew: int = 0, email_url: str = "dummymail://", database: str = ""
    ) -> subprocess.Popen[str]:
        clock = {"PYTHONPATH": str(SKEWED_CLOCK), "CLOCK_SKEW_SECONDS": str(skew)} if skew else {}
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", *options],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database or database_url(),
                "EMAIL_URL": email_url,
                **clock,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
