#!/bin/sh
# A lookup through Sentinel takes seconds with a socket timeout of 0.1 s, because redis-py's clients for
# Sentinels repeat a call ten times, unless their retries are switched off explicitly.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet redis==8.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import socket
import time
from importlib.metadata import version

from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

WAIT = {"socket_timeout": 0.1, "socket_connect_timeout": 0.1}


def times_asked(**options: object) -> int:
    """Return how often a Sentinel that never answers is asked by one lookup."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sentinel = Sentinel([silent.getsockname()], **options)
        start = time.monotonic()
        try:
            sentinel.discover_master("cinema")
        except MasterNotFoundError:
            print(f"no master after {time.monotonic() - start:.1f} s", end="; ")
        silent.setblocking(False)
        asked = 0
        try:
            while silent.accept():
                asked += 1
        except BlockingIOError:
            return asked


print("redis", version("redis"))
by_default = times_asked(**WAIT)
print("by default it is asked", by_default, "times")
once = times_asked(sentinel_kwargs={**WAIT, "retry": Retry(NoBackoff(), 0)})
print("without retries it is asked", once, "time")
assert (by_default, once) == (11, 1), "changed"
PYTHON
