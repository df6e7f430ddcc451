"""What holds for granian beside what tests with both servers see."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from benchmarks.stampede.servers import wait_until
from booking_site.serve import SERVERS
from tests.web import ROOT, Granian, Line, database_url, granian_process

HALVES = [
    pytest.param(b"", id="nothing at all"),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b", id="half a head"),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id="idle after a request"),
]
WAITING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.mark.parametrize("start", HALVES)
def test_slow_heads_occupy_no_thread(django_db_setup: None, tmp_path: Path, start: bytes) -> None:
    own = {"DATABASE_URL": database_url(), "GUNICORN_THREADS": "2"}
    with granian_process(tmp_path / "log", **own) as server, ExitStack() as crowd:
        for _ in range(60):
            client = crowd.enter_context(
                socket.create_connection(("127.0.0.1", server.port), timeout=30)
            )
            client.sendall(start)
        with closing(Line(server.port)) as line:
            assert line.call("GET", "/livez").status == 200


def get_movies(server: Granian) -> int:
    with closing(Line(server.port)) as line:
        return line.call("GET", "/api/movies").status


@pytest.mark.django_db(transaction=True)
def test_told_to_stop_it_finishes_its_requests(tmp_path: Path) -> None:
    own = {
        "DATABASE_URL": database_url(),
        "LOCK_TIMEOUT_MS": "60000",
        "STATEMENT_TIMEOUT_MS": "60000",
    }
    with (
        granian_process(tmp_path / "log", **own) as server,
        psycopg.connect(database_url()) as locker,
        psycopg.connect(database_url(), autocommit=True) as watcher,
        ThreadPoolExecutor(1) as aside,
    ):
        locker.execute("LOCK list_versions IN ACCESS EXCLUSIVE MODE")
        answer = aside.submit(get_movies, server)
        wait_until(lambda: watcher.execute(WAITING).fetchone() == (True,), what="the request waits")
        server.process.terminate()
        wait_until(lambda: not server.listens(), what="the door is closed")
        locker.rollback()
        assert answer.result() == 200
        assert server.process.wait(30) == 0


@pytest.mark.parametrize("name", SERVERS)
def test_its_workers_hash_passwords_in_large_pages(
    django_db_setup: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    with granian_process(tmp_path / "log", SERVER=name, DATABASE_URL=database_url()) as server:
        with closing(Line(server.port)) as line:  # answered by a worker, so there is one
            assert line.call("GET", "/livez").status == 200
        pid = server.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # What a process was started with; glibc looks at nothing else.
        started = [Path(f"/proc/{worker}/environ").read_bytes() for worker in workers]
    assert started
    assert all(b"GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in each for each in started)


def test_an_unknown_server_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "booking_site.serve"],
        cwd=ROOT,
        env={**os.environ, "SERVER": "apache"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "SERVER is none of gunicorn, granian." in done.stderr
