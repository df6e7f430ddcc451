"""Servers that a test may break: PostgreSQL, Redis and web servers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from benchmarks.servers import UNLIMITED, free_port
from benchmarks.stampede.servers import AppServer
from booking_site.embedded.directories import temporary_directory
from booking_site.embedded.postgres import start_postgres
from booking_site.embedded.processes import Server
from booking_site.embedded.redis import start_redis
from bookings.integrity.invariants import Severity, invariants
from tests.web import ROOT

TIMEOUT_SECONDS = 30.0
DEADLOCK_MS = 100

# Shorter than in production, to keep the tests short. The lock timeout exceeds the time in which
# a deadlock is detected.
TIMEOUTS = {
    "LOCK_TIMEOUT_MS": "2000",
    "STATEMENT_TIMEOUT_MS": "4000",
    "IDLE_IN_TRANSACTION_TIMEOUT_MS": "1500",
    "DATABASE_POOL_TIMEOUT_SECONDS": "2",
}
# For tests in which requests wait until the test lets them continue.
LONG_TIMEOUTS = {
    "LOCK_TIMEOUT_MS": "30000",
    "STATEMENT_TIMEOUT_MS": "30000",
    "COMMIT_TIMEOUT_MS": "30000",
}
# For tests in which nothing but COMMIT_TIMEOUT_MS ends a wait before the client gives up.
ONLY_COMMIT_TIMEOUT = {
    "LOCK_TIMEOUT_MS": "3600000",
    "STATEMENT_TIMEOUT_MS": "3600000",
    "IDLE_IN_TRANSACTION_TIMEOUT_MS": "3600000",
    "DATABASE_POOL_TIMEOUT_SECONDS": "3600",
    "COMMIT_TIMEOUT_MS": "1500",
}


def until(condition: Callable[[], object], *, what: str) -> None:
    """Return as soon as the condition is true; fail after TIMEOUT_SECONDS."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    pause = Event()
    while not condition():
        assert time.monotonic() < deadline, f"Waited in vain until {what}."
        pause.wait(0.01)


class Database:
    """Plain SQL on the servers' database, without the site."""

    def __init__(self, url: str) -> None:
        self.url = url

    def connect(self, **place: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url, autocommit=True, **place)

    def ask(self, sql: str, *parameters: object) -> Any:
        """Return the first column of the first row, or None when there is no row."""
        with self.connect() as connection:
            row = connection.execute(sql, parameters or None).fetchone()
        return row[0] if row else None

    def do(self, sql: str, *parameters: object) -> None:
        with self.connect() as connection:
            connection.execute(sql, parameters or None)

    @contextmanager
    def locked(self, table: str, *ids: int | UUID) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Lock rows in an open transaction until the block ends; yield its connection."""
        with self.connect() as connection, connection.transaction():
            # So that the site's connections detect a deadlock first, and are its victims.
            connection.execute("SET LOCAL deadlock_timeout = '1min'")
            lock_rows(connection, table, *ids)
            yield connection

    def waiting(self) -> int:
        """Return how many connections wait for a lock."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return int(self.ask(sql))

    def violations(self) -> dict[str, str]:
        """Return the violated invariants, each with an offender."""
        with self.connect() as connection:
            found = {
                each.name: connection.execute(each.sql).fetchone()
                for each in invariants()
                if each.severity is Severity.VIOLATION
            }
        return {name: offender[0] for name, offender in found.items() if offender}

    def answers(self) -> bool:
        try:
            return self.ask("SELECT true") is True
        except psycopg.OperationalError:
            return False


def lock_rows(connection: psycopg.Connection[Any], table: str, *ids: int | UUID) -> None:
    connection.execute(f"SELECT FROM {table} WHERE id = ANY(%s) FOR UPDATE", [list(ids)])


@dataclass(kw_only=True)
class Servers:
    """`first` reaches PostgreSQL through the cutter, `second` and others directly."""

    postgres: Server
    redis: Server
    database: Database
    cutter: subprocess.Popen[bytes]
    environment: Mapping[str, str]
    folder: Path
    postgres_log: Path
    apps: list[AppServer] = field(default_factory=list)

    @property
    def first(self) -> AppServer:
        return self.apps[0]

    @property
    def second(self) -> AppServer:
        return self.apps[1]

    def server(self, *, wsgi: str = "booking_site.wsgi", **environment: str) -> AppServer:
        """Create another web server, without starting it."""
        number = len(self.apps)
        app = AppServer(
            number=number,
            wsgi=wsgi,
            environment={**self.environment, **environment},
            log=self.log_of(number).open("ab", buffering=0),
        )
        self.apps.append(app)
        return app

    def log_of(self, number: int) -> Path:
        return self.folder / f"server{number}.log"

    def cut_next_commit(self, when: str) -> None:
        """Make the cutter cut the next COMMIT of `first`: before, during, after; or lose it."""
        assert self.cutter.stdin is not None
        self.cutter.stdin.write(f"{when} 1\n".encode())
        self.cutter.stdin.flush()

    def crash_postgres(self) -> None:
        self.postgres.process.send_signal(signal.SIGQUIT)
        self.postgres.process.wait()

    def ensure_postgres(self) -> None:
        """Start PostgreSQL if it has crashed, and wait until it has recovered."""
        if self.postgres.process.poll() is not None:
            self.postgres = self.postgres.start_again()
        until(self.database.answers, what="PostgreSQL answers again")

    def restart_postgres(self) -> None:
        self.crash_postgres()
        self.ensure_postgres()

    def kill_redis(self) -> None:
        self.redis.process.kill()
        self.redis.process.wait()

    def restore_redis(self) -> None:
        """Restart or resume Redis, as necessary."""
        if self.redis.process.poll() is not None:
            self.redis = self.redis.start_again()
        self.redis.process.send_signal(signal.SIGCONT)
        with Redis.from_url(self.redis.url) as redis:
            until(lambda: _pings(redis), what="Redis answers again")


@contextmanager
def start_servers(folder: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        directory = stack.enter_context(temporary_directory(durable=True))  # for crashes
        postgres = start_postgres(directory)
        redis = start_redis(directory)
        database = Database(postgres.url)
        database.do(f"ALTER DATABASE booking_site SET deadlock_timeout = '{DEADLOCK_MS}ms'")
        urls = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        servers = Servers(
            postgres=postgres,
            redis=redis,
            database=database,
            cutter=_start_cutter(postgres.url, port := free_port()),
            environment={**os.environ, **UNLIMITED, **TIMEOUTS, **urls, "WEB_CONCURRENCY": "1"},
            folder=folder,
            postgres_log=directory.path / "postgres.log",
        )
        stack.callback(lambda: servers.redis.stop())
        stack.callback(lambda: servers.postgres.stop())
        stack.callback(_end, servers)
        _migrate(servers.environment)
        servers.server(DATABASE_URL=_with_port(postgres.url, port)).start()
        servers.server().start()
        for app in servers.apps:
            app.wait()
        yield servers


def _end(servers: Servers) -> None:
    for app in servers.apps:
        if hasattr(app, "process") and app.process.poll() is None:
            app.kill()
        app.log.close()
    servers.cutter.kill()
    servers.cutter.communicate()


def _start_cutter(url: str, port: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.stampede.proxy",
        str(port),
        str(urlsplit(url).port),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))


def _migrate(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def _pings(redis: "Redis[Any]") -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
