"""All tests of selling also pass without Redis."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
CLOSED_PORT = "redis://127.0.0.1:1/0"
CONTRACT = [
    f"tests/bookings/test_{topic}.py"
    for topic in ("buying", "holds", "cancelling", "history", "seat_map", "idempotency")
]


def run_without_redis(*modules: str) -> subprocess.CompletedProcess[str]:
    """Run test modules in a separate process with its own database."""
    database = connection.settings_dict
    address = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}_without_redis".format(**database)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--create-db", *modules],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address, "REDIS_URL": CLOSED_PORT},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.django_db
def test_the_contract_holds_without_redis() -> None:
    run = run_without_redis(*CONTRACT)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.django_db
def test_redis_is_unreachable_there() -> None:
    """Guards the test above: if this one fails, that one proves nothing."""
    run = run_without_redis("tests/bookings/test_redis_copies.py")
    assert run.returncode == 1, run.stdout
    assert "test_a_copy_is_replayed" in run.stdout
