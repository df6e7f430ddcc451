"""A standby of the servers' PostgreSQL, which a test may pause and promote."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from booking_site.embedded.directories import DataDirectory, temporary_directory
from booking_site.embedded.postgres import programs, start_postgres
from booking_site.embedded.processes import Server
from tests.faults.servers import Database, Servers, until


@dataclass(kw_only=True)
class Standby:
    """If synchronous, every COMMIT on the primary waits until this standby has it on its disk."""

    servers: Servers
    process: Server
    database: Database

    def pause(self) -> None:
        """Stop receiving. Other connections to the standby still work."""
        os.kill(self._receiver(), signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._receiver(), signal.SIGCONT)

    def fail_over(self) -> None:
        """Crash the primary, and promote the standby with the data it had at that moment."""
        # So that a paused one does not read what had been sent to it.
        os.kill(self._receiver(), signal.SIGKILL)
        self._crash()
        self.servers.crash_postgres()
        self.process = self.process.start_again()
        until(self.database.answers, what="the standby answers")
        self.database.do("SELECT pg_promote()")

    def end(self) -> None:
        if self.process.process.poll() is None:
            if receiver := self._receiver():  # a stopped one would not end
                os.kill(receiver, signal.SIGKILL)
            self._crash()

    def _crash(self) -> None:
        self.process.process.send_signal(signal.SIGQUIT)
        self.process.process.wait()

    def _receiver(self) -> int:
        return int(self.database.ask("SELECT pid FROM pg_stat_wal_receiver") or 0)


@contextmanager
def asynchronous_standby(servers: Servers) -> Iterator[Standby]:
    """Start a standby, for which no COMMIT waits."""
    with temporary_directory(durable=True) as directory:
        _copy(servers.database, directory)
        server = start_postgres(directory)
        standby = Standby(servers=servers, process=server, database=Database(server.url))
        try:
            yield standby
        finally:
            standby.end()


@contextmanager
def synchronous_standby(servers: Servers) -> Iterator[Standby]:
    """Start a standby. At the end, the servers use their primary again, without it."""
    primary = servers.database
    with asynchronous_standby(servers) as standby:
        try:
            primary.do("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.do("SELECT pg_reload_conf()")
            until(lambda: _is_synchronous(primary), what="the standby is synchronous")
            yield standby
        finally:
            standby.end()
            servers.ensure_postgres()
            primary.do("ALTER SYSTEM RESET synchronous_standby_names")
            primary.do("SELECT pg_reload_conf()")


def _copy(primary: Database, directory: DataDirectory) -> None:
    """Copy the primary's data, with the settings of a standby, where `start_postgres` finds it."""
    data, password = directory.path / "postgres", directory.path / "postgres.password"
    data.mkdir(mode=0o700)
    password.write_text(str(urlsplit(primary.url).password))
    log = directory.path / "copy.log"
    copy = directory.spawn(
        [
            programs(directory) / "pg_basebackup",
            f"--pgdata={directory.give(data)}",
            f"--dbname={primary.url}",
            "--write-recovery-conf",
            "--checkpoint=fast",
        ],
        death_signal=signal.SIGKILL,
        log=log,
    )
    assert copy.wait() == 0, log.read_text()


def _is_synchronous(primary: Database) -> bool:
    return bool(primary.ask("SELECT sync_state FROM pg_stat_replication") == "sync")
