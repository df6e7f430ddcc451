"""Starts and ends the cluster; see the package's docstring for how to use it."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from booking_site.embedded.cluster import namespaces
from booking_site.embedded.cluster.nodes import CONFIGURATION, ROOT, AppServer, DatabaseNode, Node
from booking_site.embedded.cluster.parts import wait_until
from booking_site.embedded.cluster.patroni import Patroni
from booking_site.embedded.directories import DataDirectory, temporary_directory
from booking_site.embedded.postgres import programs
from booking_site.embedded.processes import StartupError, last_line
from booking_site.embedded.redis import redis_program

DATABASES = ("db1", "db2", "db3")

_DISK_MEGABYTES = 2048
_SECRETS = ("SUPERUSER", "REPLICATION", "PATRONI", "REDIS", "BOOKING", "WEB")
# Names the file descriptor of a socket that listens outside of the namespaces.
SITE_SOCKET = "BOOKING_SITE_SOCKET"


@dataclass(kw_only=True)
class Cluster:
    """All machines. `values` fill in the placeholders of deploy/cluster, such as passwords."""

    directory: DataDirectory
    values: dict[str, str]
    nodes: list[DatabaseNode]
    balancer: Node
    servers: list[AppServer]
    worker: Node
    live: Node
    patroni: Patroni
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def machines(self) -> list[Node]:
        return [*self.nodes, self.balancer, *self.servers, self.worker, self.live]

    @property
    def url(self) -> str:
        return f"http://{self.balancer.address}:8000"

    @property
    def database_url(self) -> str:
        """The primary through HAProxy without PgBouncer, as the owner of the tables."""
        return self._database("booking", "BOOKING", self.balancer.address, 5432)

    @property
    def redis_url(self) -> str:
        sentinels = ",".join(f"{node.address}:26379" for node in self.nodes)
        return f"redis+sentinel://:{self.values['REDIS_PASSWORD']}@{sentinels}/cinema/0"

    def commands_environment(self) -> dict[str, str]:
        """Return the environment of the worker and commands."""
        return {
            **os.environ,
            **self.environment,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
        }

    def web_environment(self) -> dict[str, str]:
        """Return the environment of web processes, which use their machine's PgBouncer."""
        hosts = [self.balancer.address, *(server.address for server in self.servers)]
        return {
            **self.commands_environment(),
            "DATABASE_URL": self._database("booking_web", "WEB", "127.0.0.1", 6432),
            "DATABASE_DIRECT_URL": self.database_url,
            "DATABASE_PREPARE": "0",
            "REPLICA_URL": self._database("booking_web", "WEB", self.balancer.address, 5433),
            "NUM_PROXIES": "1",
            "ALLOWED_HOSTS": ",".join(["localhost", "127.0.0.1", *hosts]),
        }

    def manage(self, *arguments: str) -> None:
        """Run a command of manage.py with the cluster's database. Raise StartupError."""
        done = subprocess.run(  # noqa: S603 (no outside input)
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.commands_environment(),
            start_new_session=True,  # so that Ctrl-C does not reach it
        )
        if done.returncode:
            raise StartupError(f"manage.py {arguments[0]} failed.")

    def primary(self) -> DatabaseNode:
        """Return the node that is the primary; wait until there is one."""
        found: list[DatabaseNode] = []

        def find() -> bool:
            found[:] = [node for node in self.nodes if self.patroni.get(node, "/primary")]
            return bool(found)

        wait_until(find, what="a primary")
        return found[0]

    def standbys(self) -> list[DatabaseNode]:
        """Return the nodes that are standbys and reachable."""
        return [node for node in self.nodes if self.patroni.get(node, "/replica")]

    def has_quorum(self) -> bool:
        """Return whether Patroni reports that both standbys stream synchronously."""
        members = (self.patroni.get(self.primary(), "/cluster") or {}).get("members", [])
        standbys = [each for each in members if each["role"] == "quorum_standby"]
        streaming = [each for each in standbys if each["state"] == "streaming"]
        return len(streaming) == len(self.nodes) - 1

    def reconfigure(self, **settings: Any) -> None:
        """Change Patroni's settings, such as synchronous_mode=False. Raise StartupError."""
        self.patroni.send(self.primary(), "PATCH", "/config", settings)

    def switch_over(self, *, to: DatabaseNode) -> None:
        """Make a standby the primary, and return when it is. Raise StartupError."""
        members = {"leader": self.primary().name, "candidate": to.name}
        self.patroni.send(self.primary(), "POST", "/switchover", members)
        wait_until(
            lambda: self.patroni.get(to, "/primary"), what=f"{to.name} to become the primary"
        )

    def wait_for(self, server: AppServer) -> None:
        log = server.parts["web"].log
        wait_until(lambda: server.is_ready(), what=f"{server.name} to become ready", log=log)

    def _database(self, role: str, secret: str, host: str, port: int) -> str:
        password = self.values[f"{secret}_PASSWORD"]
        return f"postgres://{role}:{password}@{host}:{port}/booking"


@contextmanager
def running_cluster(*, servers: int = 2, **environment: str) -> Iterator[Cluster]:
    """Run the whole cluster with a migrated database until the block ends.

    `environment` adds variables for the site's processes. Raise StartupError.
    """
    namespaces.create_network()
    with temporary_directory(durable=True) as directory:
        cluster = _create(directory, servers, environment)
        try:
            _start(cluster)
            yield cluster
        finally:
            for machine in cluster.machines:
                machine.kill()


def _create(directory: DataDirectory, servers: int, environment: dict[str, str]) -> Cluster:
    addresses = {name: f"10.77.0.{11 + number}" for number, name in enumerate(DATABASES)}
    values = _values(directory, addresses)

    def machine(name: str, address: str) -> dict[str, Any]:
        (path := directory.path / name).mkdir(mode=0o700)
        disk = namespaces.add_machine(name, address, megabytes=_DISK_MEGABYTES)
        return {"name": name, "address": address, "directory": path, "disk": disk}

    cluster = Cluster(
        directory=directory,
        values=values,
        nodes=[
            DatabaseNode(**machine(name, address), password=values["SUPERUSER_PASSWORD"])
            for name, address in addresses.items()
        ],
        balancer=Node(**machine("balancer", values["BALANCER"])),
        servers=[
            AppServer(**machine(f"app{number}", f"10.77.0.{20 + number}"), number=number)
            for number in range(1, servers + 1)
        ],
        worker=Node(**machine("worker", "10.77.0.40")),
        live=Node(**machine("live", "10.77.0.30")),
        patroni=Patroni(values["PATRONI_PASSWORD"]),
        environment=environment,
    )
    for node in cluster.nodes:
        _add_database_parts(node, values, directory)
    _add_balancer(cluster)
    for server in cluster.servers:
        _add_web_part(server, "web", "serve", cluster, PORT=str(server.port))
    _add_web_part(cluster.live, "live", "serve-live", cluster)
    worker = [sys.executable, str(ROOT / "manage.py"), "worker"]
    cluster.worker.add("worker", worker, environment=cluster.commands_environment())
    return cluster


def _values(directory: DataDirectory, addresses: dict[str, str]) -> dict[str, str]:
    """Return what the files of deploy/cluster need, and create the archive of WAL."""
    archive = directory.path / "archive"
    for name in ("base", "wal"):
        (archive / name).mkdir(parents=True)
    return {
        **{f"{name}_PASSWORD": secrets.token_hex(16) for name in _SECRETS},
        **{name.upper(): address for name, address in addresses.items()},
        "NETWORK": namespaces.NETWORK,
        "BALANCER": "10.77.0.10",
        "POSTGRES_PROGRAMS": str(programs(directory)),
        "ARCHIVE": str(archive),
        "ARCHIVE_WAL": str(CONFIGURATION / "archive-wal"),
    }


def _add_database_parts(
    node: DatabaseNode, values: dict[str, str], directory: DataDirectory
) -> None:
    node.add("etcd", ["etcd", "--config-file", node.configure("etcd.yml", values)])
    patroni_yml = node.configure("patroni.yml", values)
    node.add("patroni", [sys.executable, "-m", "patroni", patroni_yml])
    master = "" if node.name == DATABASES[0] else f"replicaof {values['DB1']} 6379"
    redis_conf = node.configure("redis.conf", {**values, "REPLICA_OF": master})
    node.add("redis", [redis_program(directory), redis_conf])
    node.add("sentinel", ["redis-sentinel", node.configure("sentinel.conf", values)])


def _add_balancer(cluster: Cluster) -> None:
    lines = [f"server {each.name} {each.address}:{each.port}" for each in cluster.servers]
    site = [f"{cluster.balancer.address}:8000"]
    if descriptor := os.environ.get(SITE_SOCKET):
        site.append(f"fd@{descriptor}")
    values = {"APP_SERVERS": "\n    ".join(lines), "SITE": ",".join(site)}
    values["LIVE"] = cluster.live.address
    haproxy_cfg = cluster.balancer.configure("haproxy.cfg", cluster.values | values)
    haproxy = ["haproxy", "-f", str(haproxy_cfg)]
    cluster.balancer.add("haproxy", haproxy, inherits=[int(descriptor)] if descriptor else [])


def _add_web_part(node: Node, name: str, script: str, cluster: Cluster, **place: str) -> None:
    """Add a server of the site to a machine, with its PgBouncer."""
    users = node.directory / "users.txt"
    users.touch(mode=0o600)
    users.write_text(f'"booking_web" "{cluster.values["WEB_PASSWORD"]}"\n')
    node.add("pgbouncer", ["pgbouncer", node.configure("pgbouncer.ini", cluster.values)])
    environment = {**cluster.web_environment(), "GRANIAN_HOST": node.address, **place}
    node.add(name, [ROOT / "deploy" / script], environment=environment)


def _start(cluster: Cluster) -> None:
    for node in cluster.nodes:
        node.start()
    cluster.balancer.start()
    wait_until(cluster.has_quorum, what="two standbys", log=cluster.nodes[0].parts["patroni"].log)
    _create_roles(cluster)
    cluster.manage("migrate", "--verbosity=0")
    for server in cluster.servers:
        server.start()
    cluster.worker.start()
    cluster.live.start()
    for server in cluster.servers:
        cluster.wait_for(server)


def _create_roles(cluster: Cluster) -> None:
    """Create the site's roles and database."""
    values = cluster.values
    log = cluster.directory.path / "roles.log"
    done = cluster.directory.spawn(
        [
            Path(values["POSTGRES_PROGRAMS"]) / "psql",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            f"--set=password={values['BOOKING_PASSWORD']}",
            f"--set=web_password={values['WEB_PASSWORD']}",
            f"--file={CONFIGURATION / 'roles.sql'}",
            f"{cluster.primary().url.removesuffix('/booking')}/postgres",
        ],
        death_signal=signal.SIGKILL,
        log=log,
    )
    if done.wait():
        raise StartupError(f"The roles could not be created: {last_line(log)}")
