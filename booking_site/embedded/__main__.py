"""Run a command with embedded servers; see `--help`."""

import argparse
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from booking_site.embedded.command import Command
from booking_site.embedded.directories import persistent_directory, temporary_directory
from booking_site.embedded.ports import listen, parse_port
from booking_site.embedded.postgres import start_postgres
from booking_site.embedded.processes import Interrupted, Server, StartupError
from booking_site.embedded.redis import start_redis

_STARTERS = {"DATABASE_URL": start_postgres, "REDIS_URL": start_redis}


def main() -> int:
    parent = os.getppid()
    options = _parser().parse_args()
    if shutil.which(options.command[0]) is None:
        raise StartupError(f"Command not found: {options.command[0]!r}")
    if options.needs_ports is not None:
        listen(options.needs_ports).close()
        listen(options.needs_ports + 1, purpose="live seats").close()
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
        "--needs-ports",
        type=parse_port,
        metavar="PORT",
        help="start nothing when this port of 127.0.0.1 or the next one is taken",
    )
    parser.add_argument(
        "--ends-with-parent",
        action="store_true",
        help="stop when the process that started this one has ended, however it ended",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.args[0])
    except StartupError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.strerror}: {error.filename}" if error.filename else str(error))
