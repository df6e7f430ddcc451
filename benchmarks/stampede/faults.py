"""The faults of a run: each function breaks one thing and repairs it."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from redis import Redis

from benchmarks.stampede.journal import Journal
from benchmarks.stampede.servers import AppServer, Site

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Damage:
    """`servers` are the numbers of those affected; None: all of them."""

    servers: list[int] | None = None
    detail: str = ""


Fault = Callable[[Any, random.Random], Damage]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    def register(function: Fault) -> Fault:
        FAULTS[name] = function
        return function

    return register


def inject(name: str, fault: Fault, *, site: Any, rng: random.Random, journal: Journal) -> str:
    """Inject one fault, record it, and return a line about it."""
    began = time.monotonic()
    damage = fault(site, rng)
    journal.write(
        "fault",
        fault=name,
        began=began,
        ended=time.monotonic(),
        servers=damage.servers,
        detail=damage.detail,
    )
    return f"{name} {damage.detail}".strip()


def in_turn(names: list[str], rng: random.Random) -> Iterator[str]:
    """Yield the faults indefinitely, each once before any is repeated; nothing without any."""
    while names:
        yield from rng.sample(names, len(names))


@fault("redis-kill")
def kill_redis(site: Site, rng: random.Random) -> Damage:
    site.redis.process.kill()
    time.sleep(rng.uniform(0.5, 3))
    site.restart_redis()
    return Damage()


@fault("redis-stop")
def stop_redis(site: Site, rng: random.Random) -> Damage:
    site.redis.process.send_signal(signal.SIGSTOP)
    time.sleep(rng.uniform(1, 3))
    site.redis.process.send_signal(signal.SIGCONT)
    return Damage()


@fault("redis-flush")
def flush_redis(site: Site, rng: random.Random) -> Damage:
    with Redis.from_url(site.redis.url) as redis:
        redis.flushall()
    return Damage()


@fault("postgres-restart")
def restart_postgres(site: Site, rng: random.Random) -> Damage:
    site.postgres.process.send_signal(signal.SIGQUIT)  # immediate: recovery from the log follows
    site.restart_postgres()
    return Damage()


@fault("postgres-terminate")
def terminate_connections(site: Site, rng: random.Random) -> Damage:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
               AND random() < 0.5
            """
        )
        (count,) = cursor.fetchone()
    connection.close()
    return Damage(detail=f"{count} connections")


@fault("server-kill")
def kill_server(site: Site, rng: random.Random) -> Damage:
    app = rng.choice(site.apps)
    if rng.random() < 0.5 and (workers := app.workers()):
        os.kill(rng.choice(workers), signal.SIGKILL)  # its parent starts another
        return Damage([app.number], "worker")
    app.kill()
    _start_again(app)
    return Damage([app.number], "whole server")


@fault("server-term")
def deploy_server(site: Site, rng: random.Random) -> Damage:
    app = rng.choice(site.apps)
    app.stop()
    _start_again(app)
    return Damage([app.number])


@fault("commit-cut")
def cut_commits(site: Site, rng: random.Random) -> Damage:
    assert site.cutter is not None  # noqa: S101 - the site is started with it
    assert site.cutter.stdin is not None  # noqa: S101
    for when in rng.sample(["before", "during", "after"], 3):
        site.cutter.stdin.write(f"{when} 4\n".encode())
    site.cutter.stdin.flush()
    time.sleep(1)
    return Damage([0])


@fault("clock")
def skew_clock(site: Site, rng: random.Random) -> Damage:
    app = site.apps[-1]
    app.skew_seconds = HOUR if app.skew_seconds < 0 else -HOUR
    app.stop()
    _start_again(app)
    return Damage([app.number], "an hour ahead" if app.skew_seconds > 0 else "an hour behind")


def _start_again(app: AppServer) -> None:
    app.start()
    app.wait()
