"""Gives each process of `pytest -n` its own Redis database, as pytest-django does for PostgreSQL.

It is a plugin, because it must run before the settings are read.
"""

import os
from urllib.parse import urlsplit


def own_redis(address: str, process: str) -> str:
    """Return the address of the Redis database that belongs to a process such as `gw1`."""
    number = int(process.removeprefix("gw")) + 1
    return urlsplit(address)._replace(path=f"/{number}").geturl()


if process := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["REDIS_URL"] = own_redis(os.environ["REDIS_URL"], process)
