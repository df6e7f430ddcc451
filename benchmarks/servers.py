"""Starts the servers to measure: the site as in production, with its own database."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from booking_site.embedded.processes import Child

SERVERS = ("granian", "gunicorn")
WORKERS = 2
START_SECONDS = 60.0
ROOT = Path(__file__).parents[1]
# Removes every rate limit in .env.example.
UNLIMITED = dict.fromkeys(re.findall(r"THROTTLE_\w+", (ROOT / ".env.example").read_text()), "")


class NotStarted(Exception):
    """A server did not become ready in time; its log has the reason."""


def wait_until(ready: Callable[[], bool], *, what: str, seconds: float = START_SECONDS) -> None:
    """Raise NotStarted naming `what` if it is not ready in time."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise NotStarted(f"{what} did not become ready in {seconds:.0f} s.")
        time.sleep(0.02)


def is_ready(port: int) -> bool:
    probe = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        probe.request("GET", "/readyz")
        return probe.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        probe.close()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Checkout:
    """A working copy of this project, and the Python that has its packages."""

    root: Path = ROOT
    python: Path = Path(sys.executable)

    @classmethod
    def at(cls, path: Path) -> "Checkout":
        root = path.resolve()
        python = root / ".venv" / "bin" / "python"
        if not python.exists():
            raise NotStarted(f"There is no {python}: run `make .venv/.installed` in {root}.")
        return cls(root, python)

    def command(self, *arguments: str) -> list[str | Path]:
        """Return the command that runs `python …` in the root of the checkout."""
        return ["env", f"--chdir={self.root}", self.python, *arguments]

    def granian(self, wsgi: str) -> list[str | Path]:
        if (self.root / "booking_site" / "serve.py").exists():  # before there was deploy/serve
            return ["env", "SERVER=granian", *self.command("-m", "booking_site.serve", wsgi)]
        return [self.root / "deploy" / "serve", f"{wsgi}:application"]


@dataclass(frozen=True, slots=True)
class App:
    """A running server. `pid` is that of its first process, the parent of the workers."""

    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def temporary_database(server_url: str, *, name: str = "booking_benchmark") -> Iterator[str]:
    """Create a database beside the one in the URL; drop it at the end."""
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


def production(
    *, database: str, jwt_key: str, redis_database: int = 0, workers: int = WORKERS
) -> dict[str, str]:
    """Return the environment of a production server behind one proxy, without rate limits."""
    redis = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{redis_database}")
    environment = {name: value for name, value in os.environ.items() if name != "DEVELOPMENT"}
    return (
        environment
        | UNLIMITED
        | {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "JWT_SIGNING_KEY": jwt_key,
            "METRICS_TOKEN": secrets.token_urlsafe(48),
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "CLIENT_URL": "https://cinema.example",
            "NUM_PROXIES": "1",
            "DATABASE_URL": database,
            "REDIS_URL": urlunsplit(redis),
            "WEB_CONCURRENCY": str(workers),
        }
    )


def development() -> dict[str, str]:
    """Return the environment of a development server without rate limits."""
    # Otherwise the limit on failed logins answers before the password is checked.
    failures = {f"LOGIN_FAILURES_PER_{name}": "1000000" for name in ("ACCOUNT", "ADDRESS")}
    # Otherwise programs wait for a minute until the server closes idle connections.
    idle = {"GRANIAN_HTTP1_HEADER_READ_TIMEOUT": "5000"}
    return {**os.environ, **UNLIMITED, **failures, **idle, "WEB_CONCURRENCY": str(WORKERS)}


def migrate(environment: Mapping[str, str], *, checkout: Checkout) -> None:
    subprocess.run(  # noqa: S603 - no outside input
        checkout.command("manage.py", "migrate", "--verbosity=0"), env=environment, check=True
    )


def seed_demo() -> None:
    """Migrate the database of DATABASE_URL, and fill it with demo data."""
    for arguments in (["migrate", "--verbosity=0"], ["seed_demo", "--verbosity=0"]):
        subprocess.run([sys.executable, "manage.py", *arguments], check=True)  # noqa: S603 (same)


@contextmanager
def serving(
    wsgi: str = "booking_site.wsgi",
    *,
    environment: Mapping[str, str],
    log: Path,
    server: str = SERVERS[0],
    checkout: Checkout | None = None,
) -> Iterator[App]:
    """Serve a WSGI module, or live seats (`server="live"`). Raise NotStarted."""
    port, checkout = free_port(), checkout or Checkout()
    commands: dict[str, list[str | Path]] = {
        "granian": checkout.granian(wsgi),
        "gunicorn": checkout.command("-m", "gunicorn", f"--bind=127.0.0.1:{port}", wsgi),
        "live": [checkout.root / "deploy" / "serve-live"],
    }
    address = {"PORT": str(port), "BIND": f"127.0.0.1:{port}", "LIVE_PORT": str(port)}
    with log.open("ab") as output:
        process = Child(
            commands[server],
            death_signal=signal.SIGTERM,
            env={**environment, **address},
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: is_ready(port), what=f"The server that logs to {log}")
            yield App(port, process.pid, log)
        finally:
            process.terminate()
            process.wait()
