"""Run a command with embedded servers; see `--help`."""

import argparse
import os
import platform
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from booking_site.embedded.homes import Home, kept_home, throwaway_home
from booking_site.embedded.postgres import start_postgres
from booking_site.embedded.processes import (
    Interrupted,
    Refusal,
    Server,
    end_with_parent,
    follow,
    hold_signals,
    spawn,
)
from booking_site.embedded.redis import start_redis

_STARTERS: dict[str, Callable[[Home], Server]] = {
    "DATABASE_URL": start_postgres,
    "REDIS_URL": start_redis,
}


def main() -> int:
    options = _parser().parse_args()
    if shutil.which(options.command[0]) is None:
        raise Refusal(f"There is no command {options.command[0]!r} that can be run.")
    if options.needs_port is not None:
        _refuse_taken_port(options.needs_port)
    if options.ends_with_parent:
        end_with_parent()
    os.environ.setdefault("DEVELOPMENT", "1")
    missing = [name for name in _STARTERS if not os.environ.get(name)]
    if not missing:
        os.execvp(options.command[0], options.command)  # noqa: S606 (the caller's own command)
    _refuse_foreign_platform(missing)
    hold_signals()
    with ExitStack() as stack:
        home = stack.enter_context(kept_home(options.data) if options.data else throwaway_home())
        if options.durable:
            home = replace(home, kept=True)
        servers: list[Server] = []
        stack.callback(_stop, servers)
        for name in missing:
            servers.append(_STARTERS[name](home))
            os.environ[name] = servers[-1].url
        return follow(spawn(options.command, death_signal=signal.SIGTERM), servers)


def _stop(servers: list[Server]) -> None:
    for server in reversed(servers):
        server.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m booking_site.embedded",
        description="Run a command with DATABASE_URL and REDIS_URL of servers that live as long"
        " as it does. What is set already is left alone.",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data in this folder")
    parser.add_argument(
        "--durable",
        action="store_true",
        help="wait for the disk at every commit, as with --data, though nothing is kept in the end",
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
        help="stop when the process that started this one is gone, however it ended",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise Refusal(f"PORT {text!r} is not a number from 1 to 65535: make run PORT=8123")
    return int(text)


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Refusal(
                f"Port {port} cannot be used ({error.strerror}); choose another: make run PORT=8123"
            ) from error


def _refuse_foreign_platform(missing: list[str]) -> None:
    here = (platform.system(), platform.machine(), platform.libc_ver()[0])
    if here != ("Linux", "x86_64", "glibc"):
        raise Refusal(f"Embedded servers need Linux x86-64 (glibc): set {' and '.join(missing)}.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.number)
    except Refusal as refusal:
        sys.exit(str(refusal))
    except OSError as error:
        sys.exit(f"{error.strerror}: {error.filename}" if error.filename else str(error))
