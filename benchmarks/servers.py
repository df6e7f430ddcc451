"""What is measured: a database of its own, and the site's servers as in production."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from benchmarks.stampede.servers import UNLIMITED, free_port
from booking_site.embedded.processes import spawn

START_SECONDS = 60.0


class NotStarted(Exception):
    """A server did not get ready in time; its log says why."""


@dataclass(frozen=True, slots=True)
class App:
    """A server; `pid` is that of its first process."""

    url: str
    pid: int


@contextmanager
def database_of_its_own(server_url: str, *, name: str = "booking_benchmark") -> Iterator[str]:
    """Make a database beside the one that the address names, dropped at the end."""
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    identifier = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    try:
        yield url
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def production(*, database: str, jwt_key: str) -> dict[str, str]:
    """Return the environment of a production server, with no limits per customer."""
    environment = {name: value for name, value in os.environ.items() if name != "DEVELOPMENT"}
    return (
        environment
        | UNLIMITED
        | {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "JWT_SIGNING_KEY": jwt_key,
            "METRICS_TOKEN": secrets.token_urlsafe(48),
            "NUM_PROXIES": "1",  # requests say X-Forwarded-Proto: https
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "DATABASE_URL": database,
        }
    )


def migrate(environment: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environment, check=True
    )


@contextmanager
def serving(
    wsgi: str, *, environment: Mapping[str, str], log: Path, server: str = "granian"
) -> Iterator[App]:
    """Serve a WSGI module with two worker processes, by granian or gunicorn."""
    port = free_port()
    command = {
        "granian": ["deploy/serve", f"{wsgi}:application"],
        "gunicorn": [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{port}", wsgi],
    }[server]
    with log.open("ab") as output:
        process = spawn(
            command,
            death_signal=signal.SIGTERM,
            environment={
                **environment,
                "PORT": str(port),
                "WEB_CONCURRENCY": "2",
            },
            output=output,
        )
        try:
            _await(port, log)
            yield App(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait()


def _await(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        probe = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            probe.request("GET", "/readyz")
            if probe.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.05)
        finally:
            probe.close()
    raise NotStarted(f"A server did not start: see {log}.")
