"""The servers of a run: PostgreSQL, Redis, web servers, and handles to break them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import environ
import psutil
from django.conf import settings
from django.db import OperationalError, connection

from benchmarks.servers import UNLIMITED, free_port, is_ready, wait_until
from booking_site.embedded.directories import temporary_directory
from booking_site.embedded.postgres import start_postgres
from booking_site.embedded.processes import Child, Server
from booking_site.embedded.redis import start_redis

STOP_SECONDS = 40.0  # more than WEB_GRACEFUL_SECONDS
SKEWED_CLOCK = Path(__file__).parent / "skewed_clock"
# Short, so that some holds expire during a run.
HOLD_MINUTES = 1
HOLDS = {"HOLD_MINUTES": str(HOLD_MINUTES), "HOLD_MAX_MINUTES": str(2 * HOLD_MINUTES)}


@dataclass(kw_only=True)
class AppServer:
    """A web server as in production, on the same port after every restart."""

    number: int
    wsgi: str
    environment: Mapping[str, str]
    log: IO[bytes]
    port: int = field(default_factory=free_port)
    skew_seconds: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = Child(
            [str(settings.BASE_DIR / "deploy" / "serve"), f"{self.wsgi}:application"],
            death_signal=signal.SIGTERM,
            env={**self.environment, **self._clock(), "PORT": str(self.port)},
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def wait(self) -> None:
        wait_until(lambda: is_ready(self.port), what=f"Server {self.number}")

    def stop(self) -> None:
        """Let it finish its requests and end, as a deployment does."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it and its workers, as if the machine had failed."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def workers(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def _clock(self) -> dict[str, str]:
        if not self.skew_seconds:
            return {}
        return {"PYTHONPATH": str(SKEWED_CLOCK), "CLOCK_SKEW_SECONDS": str(self.skew_seconds)}


@dataclass(kw_only=True)
class Site:
    """The servers of a run. `cutter` is the proxy between server 0 and PostgreSQL."""

    postgres: Server
    redis: Server
    cutter: subprocess.Popen[bytes] | None = None
    apps: list[AppServer] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        return [app.url for app in self.apps]

    def restart_redis(self) -> None:
        self.redis.process.wait()
        self.redis = self.redis.start_again()

    def restart_postgres(self) -> None:
        self.postgres.process.wait()
        self.postgres = self.postgres.start_again()
        wait_until(_postgres_answers, what="PostgreSQL")


@contextmanager
def running_site(*, servers: int, wsgi: str, logs: Path, with_cutter: bool) -> Iterator[Site]:
    """Run a migrated site on its own PostgreSQL and Redis, and connect Django to that database.

    `wsgi` names the module that the web servers serve. Raise NotStarted, or
    `StartupError` where embedded servers cannot run.
    """
    with ExitStack() as stack:
        directory = stack.enter_context(temporary_directory(durable=True))  # for crashes
        site = Site(postgres=start_postgres(directory), redis=start_redis(directory))
        stack.callback(connection.close)
        stack.callback(lambda: site.postgres.stop())
        stack.callback(lambda: site.redis.stop())
        connect_django_to(site.postgres.url)
        environments = [_environment(site)] * servers
        _migrate(environments[0])
        if with_cutter:
            site.cutter, url = _start_cutter(site.postgres)
            stack.callback(site.cutter.kill)
            environments[0] = {**environments[0], "DATABASE_URL": url}
        for number, environment in enumerate(environments):
            log = stack.enter_context(logs.with_suffix(f".server{number}.log").open("ab"))
            app = AppServer(number=number, wsgi=wsgi, environment=environment, log=log)
            app.start()
            stack.callback(app.stop)
            site.apps.append(app)
        for app in site.apps:
            app.wait()
        yield site


def _environment(site: Site) -> Mapping[str, str]:
    return {
        **os.environ,
        **UNLIMITED,
        "DATABASE_URL": site.postgres.url,
        "REDIS_URL": site.redis.url,
        **HOLDS,
    }


def connect_django_to(url: str) -> None:
    address = environ.Env.db_url_config(url)
    connection.settings_dict.update(address)
    settings.DATABASES["default"].update(connection.settings_dict)
    settings.WEB_DATABASE.update(address)  # which the doctor tries


def _migrate(environment: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=settings.BASE_DIR,
        env=environment,
        check=True,
    )


def _start_cutter(postgres: Server) -> tuple[subprocess.Popen[bytes], str]:
    to_port = str(connection.settings_dict["PORT"])
    port = str(free_port())
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.stampede.proxy", port, to_port], stdin=subprocess.PIPE
    )
    return process, postgres.url.replace(f":{to_port}/", f":{port}/")


def _postgres_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return False
    finally:
        connection.close()
    return True
