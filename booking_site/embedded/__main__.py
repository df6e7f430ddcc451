"""Run a command with embedded servers; see `--help`."""

import argparse
import os
import shutil
import signal
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from booking_site.embedded.directories import persistent_directory, temporary_directory
from booking_site.embedded.postgres import start_postgres
from booking_site.embedded.processes import (
    Child,
    Interrupted,
    Server,
    StartupError,
    stop_requests,
)
from booking_site.embedded.redis import start_redis

_STARTERS = {"DATABASE_URL": start_postgres, "REDIS_URL": start_redis}


def main() -> int:
    parent = os.getppid()
    options = _parser().parse_args()
    if shutil.which(options.command[0]) is None:
        raise StartupError(f"Command not found: {options.command[0]!r}")
    if options.needs_port is not None:
        _require_free_port(options.needs_port)
    os.environ.setdefault("DEVELOPMENT", "1")
    command = Command(options.command, parent=parent if options.ends_with_parent else None)
    with ExitStack() as stack:
        servers: list[Server] = []
        missing = [name for name in _STARTERS if not os.environ.get(name)]
        if missing:
            directory = stack.enter_context(
                persistent_directory(options.data)
                if options.data
                else temporary_directory(durable=options.durable)
            )
            stack.callback(_stop, servers)
            for name in missing:
                servers.append(_STARTERS[name](directory))
                os.environ[name] = servers[-1].url
        return command.run(servers)


class Command:
    """The user's command, which gets the signals that this process receives."""

    def __init__(self, words: list[str], *, parent: int | None) -> None:
        self._words = words
        self._parent = parent
        self._process: Child | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, self._receive)

    def run(self, servers: list[Server]) -> int:
        """Run it to its end and return its exit code as a shell does.

        A server that ends early is started again, and replaced in `servers`. Once it has no
        restarts left, the command is stopped, and StartupError is raised.
        """
        failed: Server | None = None
        self._process = Child(self._words, death_signal=signal.SIGTERM)
        for number in stop_requests:
            self._process.send_signal(number)
        while (code := self._process.poll()) is None:
            if self._parent not in (None, os.getppid()):
                self._parent = None
                self._process.terminate()
            if failed is None and (failed := _restart_ended(servers)):
                self._process.terminate()
            time.sleep(0.05)
        if failed is not None:
            raise StartupError(f"{failed.name} ended while the command ran, so it was stopped.")
        return code if code >= 0 else 128 - code

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._process is None:
            stop_requests.append(number)
        elif number == signal.SIGTERM or not _in_foreground():
            # gunicorn takes SIGHUP for a reload.
            hang_up = number == signal.SIGHUP
            self._process.send_signal(signal.SIGTERM if hang_up else number)


def _in_foreground() -> bool:
    """Return whether the terminal sends its signals to this process, and so to the command."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # the terminal has hung up
        return False
    finally:
        os.close(terminal)


def _restart_ended(servers: list[Server]) -> Server | None:
    """Restart the servers that have ended; return one that has ended too often, if any."""
    for index, server in enumerate(servers):
        if server.process.poll() is None:
            continue
        if not server.restarts:
            return server
        servers[index] = server.start_again()
        sys.stderr.write(f"{server.name} ended and was started again.\n")
    return None


def _stop(servers: list[Server]) -> None:
    for server in reversed(servers):
        server.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m booking_site.embedded",
        description="Run a command with DATABASE_URL and REDIS_URL of servers that live as long"
        " as it does. A variable that is set already stays as it is.",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data in this folder")
    parser.add_argument(
        "--durable",
        action="store_true",
        help="wait for the disk at every commit, as with --data, though no data is kept",
    )
    parser.add_argument(
        "--needs-port",
        type=_port,
        metavar="PORT",
        help="start nothing when this port of 127.0.0.1 is taken",
    )
    parser.add_argument(
        "--ends-with-parent",
        action="store_true",
        help="stop when the process that started this one has ended, however it ended",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise StartupError(f"PORT {text!r} is not a number from 1 to 65535: make run PORT=8123")
    return int(text)


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the site's server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartupError(
                f"Port {port} cannot be used ({error.strerror}); choose another: make run PORT=8123"
            ) from error


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.args[0])
    except StartupError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.strerror}: {error.filename}" if error.filename else str(error))
