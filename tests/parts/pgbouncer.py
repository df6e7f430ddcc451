"""Debian's PgBouncer in front of the server that has the test database."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from booking_site.embedded.directories import temporary_directory
from booking_site.embedded.processes import Child, start_on_free_port
from tests.web import database_url

CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {pool_mode}
default_pool_size = {pool_size}
server_login_retry = 1
"""


@contextmanager
def pgbouncer(
    *urls: str, pool_mode: str = "transaction", pool_size: int = 8, port: int | None = None
) -> Iterator[list[str]]:
    """Serve the test database until the block ends; return the URLs with PgBouncer's address.

    Each URL has the name and password of a role.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program
    server = urlsplit(database_url())
    with temporary_directory() as directory:
        log = directory.path / "pgbouncer.log"
        users, file = directory.path / "users", directory.path / "pgbouncer.ini"
        roles = [urlsplit(url) for url in urls]
        users.touch(mode=0o600)
        users.write_text("".join(f'"{role.username}" "{role.password}"\n' for role in roles))
        directory.give(users)

        def launch(listen_port: int) -> Child:
            file.write_text(
                CONFIGURATION.format(
                    host=server.hostname,
                    port=server.port,
                    listen_port=port or listen_port,
                    users=users,
                    pool_mode=pool_mode,
                    pool_size=pool_size,
                )
            )
            return directory.spawn([program, file], death_signal=signal.SIGTERM, log=log)

        process, chosen = start_on_free_port(
            name="PgBouncer",
            launch=launch,
            is_ready=lambda free: _accepts_connections(port or free),
            log=log,
        )
        try:
            yield [
                urlunsplit(
                    role._replace(
                        netloc=f"{role.username}:{role.password}@127.0.0.1:{port or chosen}"
                    )
                )
                for role in roles
            ]
        finally:
            process.terminate()
            process.wait()


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
