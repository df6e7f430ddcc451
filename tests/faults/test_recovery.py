"""The commands of `deploy/cluster/README.md` restore a database to the moment before a mistake."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import pytest

from benchmarks.stampede.servers import AppServer
from booking_site.embedded.directories import DataDirectory, temporary_directory
from booking_site.embedded.postgres import programs, start_postgres
from tests.faults.customers import Purchase, call, effects, is_replay, new_customer, refusal
from tests.faults.servers import Database, Servers
from tests.web import ROOT

NOTHING = (0, 0)
ONCE = (1, 1)
MISTAKE = "TRUNCATE shows, idempotency_records CASCADE"
CLUSTER = ROOT / "deploy" / "cluster"
ARCHIVE_WAL = CLUSTER / "archive-wal"
PATRONI = (CLUSTER / "patroni.yml").read_text()
RUNBOOK = (CLUSTER / "README.md").read_text()


def commands(step: str) -> str:
    """Return the commands of a step of the runbook."""
    found = re.search(rf"^.*{re.escape(step)}.*\n+```sh\n((?s:.*?))^```", RUNBOOK, re.MULTILINE)
    assert found, f"The runbook has no commands for the step “{step}”."
    return found[1]


@dataclass(frozen=True)
class Archive:
    """The directory of the runbook: base backups, and all WAL of the primary."""

    directory: DataDirectory
    primary: Database

    def run(self, step: str, **variables: str | Path) -> None:
        """Run the commands of a step as PostgreSQL's account."""
        role = urlsplit(self.primary.url)
        variables |= {
            "PATH": f"{programs(self.directory)}:/usr/bin:/bin",
            "PGUSER": str(role.username),
            "PGPASSWORD": str(role.password),
            "PGDATABASE": role.path[1:],
            "ARCHIVE": self.directory.path,
        }
        exports = [f"export {name}={shlex.quote(str(value))}" for name, value in variables.items()]
        log = self.directory.path / "commands.log"
        shell = self.directory.spawn(
            ["sh", "-eu"],
            death_signal=signal.SIGKILL,
            log=log,
            text="\n".join([*exports, commands(step)]),
        )
        assert shell.wait() == 0, log.read_text()

    @contextmanager
    def restored(self, moment: str) -> Iterator[Database]:
        """Restore the base backup to the moment, and serve it until the block ends."""
        (base,) = (self.directory.path / "base").iterdir()
        with temporary_directory(durable=True) as directory:
            password = str(urlsplit(self.primary.url).password)
            (directory.path / "postgres.password").write_text(password)
            new = directory.path / "new"
            new.mkdir()
            data = directory.give(new) / "data"
            try:
                self.run("**Recover**", PGDATA=data, BASE=base, MOMENT=moment)
                self.run("**accept**", PGDATA=data)
            finally:
                _end(data)
            data.rename(directory.path / "postgres")
            server = start_postgres(directory)
            try:
                yield Database(server.url)
            finally:
                server.stop()


def _end(data: Path) -> None:
    """Kill the server of a directory, if a failed step has left one."""
    if (lock := data / "postmaster.pid").exists():
        os.kill(int(lock.read_text().split()[0]), signal.SIGQUIT)


@pytest.fixture
def archive(servers: Servers) -> Iterator[Archive]:
    """The archive of the servers' PostgreSQL, with the settings of the cluster."""
    with temporary_directory(durable=True) as directory:
        for name in ("base", "wal"):
            (directory.path / name).mkdir(mode=0o700)
            directory.give(directory.path / name)
        settings = archive_settings(directory) | {
            # A base backup does not have the server's command line, and recovery needs as many.
            "max_connections": servers.database.ask("SHOW max_connections"),
        }
        for name, value in settings.items():
            servers.database.do(f"ALTER SYSTEM SET {name} = '{value}'")
        # Patroni writes such lines on a standby; with them, no other target is accepted.
        configuration = Path(servers.database.ask("SHOW config_file"))
        before = configuration.read_text()
        configuration.write_text(f"{before}recovery_target_xid = ''\n")
        servers.restart_postgres()
        yield Archive(directory, servers.database)
        configuration.write_text(before)
        servers.ensure_postgres()
        for name in settings:
            servers.database.do(f"ALTER SYSTEM RESET {name}")
        servers.restart_postgres()


def archive_settings(directory: DataDirectory) -> dict[str, str]:
    """Return the settings of archiving in the cluster's configuration."""
    found = re.findall(r"^ +(archive_\w+): ['\"]?(.+?)['\"]?$", PATRONI, re.MULTILINE)
    places = {"ARCHIVE": directory.path, "ARCHIVE_WAL": ARCHIVE_WAL}
    return {name: Template(value).substitute(places) for name, value in found}


def now(database: Database) -> str:
    return str(database.ask("SELECT clock_timestamp()"))


@contextmanager
def served(servers: Servers, database: Database) -> Iterator[AppServer]:
    """A web server on the restored database, with Redis as the mistake has left it."""
    app = servers.server(DATABASE_URL=database.url)
    app.start()
    try:
        app.wait()
        yield app
    finally:
        app.stop()


def test_the_database_is_restored_to_the_moment_before_a_mistake(
    servers: Servers, archive: Archive, new_purchase: Callable[..., Purchase]
) -> None:
    database = servers.database
    early, late, lost = new_purchase(), new_purchase(), new_purchase()
    answers = [early.send(servers.second)]
    archive.run("**Base backup**", SOURCE=database.url)
    answers.append(late.send(servers.second))
    moment = now(database)
    assert not is_replay(lost.send(servers.second))
    newcomer = new_customer(database)
    database.do(MISTAKE)
    assert effects(database, late) == NOTHING
    servers.postgres.stop()

    with archive.restored(moment) as restored, served(servers, restored) as app:
        done = subprocess.run(
            [sys.executable, "manage.py", "doctor"],
            cwd=ROOT,
            env={**servers.environment, "DATABASE_URL": restored.url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        for purchase, given in zip((early, late), answers, strict=True):
            again = purchase.send(app)
            assert (is_replay(again), again.body) == (True, given.body)
        # Redis still has the answer.
        assert effects(restored, lost) == NOTHING
        assert not is_replay(lost.send(app))
        assert effects(restored, lost) == ONCE
        assert refusal(call(app, "GET", "/api/auth/me", customer=newcomer)) == (
            401,
            "token_revoked",
        )


def test_a_restored_database_is_archived_and_can_be_restored_again(
    servers: Servers, archive: Archive, new_purchase: Callable[..., Purchase]
) -> None:
    database = servers.database
    purchase = new_purchase()
    archive.run("**Base backup**", SOURCE=database.url)
    moment = now(database)
    database.do(MISTAKE)
    servers.postgres.stop()
    with archive.restored(moment) as first:
        with served(servers, first) as app:
            assert not is_replay(purchase.send(app))
        moment = now(first)
        first.do(MISTAKE)
    with archive.restored(moment) as second:
        assert effects(second, purchase) == ONCE


def archived(path: Path, folder: Path) -> bool:
    command = [ARCHIVE_WAL, path, path.name, folder]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_wal_is_archived_once_and_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "wal"
    folder.mkdir()
    file = tmp_path / "000000010000000000000001"
    file.write_text("of one primary")
    assert archived(file, folder)
    assert archived(file, folder)  # as after a crash
    file.write_text("of another one")
    assert not archived(file, folder)
    assert [each.read_text() for each in folder.iterdir()] == ["of one primary"]


def test_wal_that_cannot_be_copied_is_not_archived(tmp_path: Path) -> None:
    assert not archived(tmp_path / "missing", tmp_path)
    assert list(tmp_path.iterdir()) == []
