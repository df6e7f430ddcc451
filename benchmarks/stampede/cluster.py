"""The cluster of a run: `deploy/cluster` in network namespaces, and what its faults need."""

import logging
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from redis.sentinel import MasterNotFoundError, Sentinel

from benchmarks.servers import UNLIMITED, Checkout, wait_until
from benchmarks.stampede.servers import HOLDS, connect_django_to
from booking_site.embedded.cluster import Cluster, running_cluster
from booking_site.embedded.cluster.nodes import AppServer, DatabaseNode

SENTINEL_PORT = 26379
REDIS_NAME = "cinema"
# Patroni's own list is some seconds old after a fault.
STANDBYS = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
# What a control can leave out.
QUORUM, FENCING = GUARDS = ("quorum", "fencing")


@dataclass(kw_only=True)
class ClusterSite:
    """The cluster under test. `last_release` is a checkout of an older commit, for deploys."""

    cluster: Cluster
    last_release: Checkout | None = None
    is_asynchronous: bool = False

    @property
    def addresses(self) -> list[str]:
        return [self.cluster.url]

    @property
    def apps(self) -> list[AppServer]:
        return self.cluster.servers

    def wait_for_another_primary(self, former: DatabaseNode) -> None:
        others = [node for node in self.cluster.nodes if node is not former]
        wait_until(
            lambda: any(self.cluster.patroni.get(node, "/primary") for node in others),
            what="Another primary",
        )

    def wait_until_complete(self) -> None:
        """Wait until both standbys stream, and COMMIT waits for one of them."""
        wait_until(self._is_complete, what="A primary with two standbys")

    def _is_complete(self) -> bool:
        try:
            standbys = self.query(self.cluster.primary(), STANDBYS)
        except psycopg.OperationalError:  # It ended after Patroni had responded.
            return False
        role = "async" if self.is_asynchronous else "quorum"
        return standbys == [(role,)] * (len(self.cluster.nodes) - 1)

    def query(self, node: DatabaseNode, sql: str) -> list[Any]:
        """Execute a statement on a node as its superuser, and return the rows."""
        with psycopg.connect(node.socket_url, autocommit=True) as database:
            return database.execute(sql).fetchall()

    def restart_web(self, app: AppServer) -> None:
        """Start the web processes of a server again, after they have ended."""
        app.parts["web"].start()
        self.cluster.wait_for(app)

    def redis_master(self) -> DatabaseNode | None:
        """Return the node of the Redis master that the sentinels agree on, if they do."""
        sentinels = [(node.address, SENTINEL_PORT) for node in self.cluster.nodes]
        no_retries: dict[str, Any] = {"socket_timeout": 0.5, "retry": None}
        client = Sentinel(sentinels, sentinel_kwargs=no_retries)  # type: ignore[no-untyped-call]
        try:
            address, _ = client.discover_master(REDIS_NAME)  # type: ignore[no-untyped-call]
        except MasterNotFoundError:
            return None
        return next(node for node in self.cluster.nodes if node.address == address)

    def isolate(self, node: DatabaseNode) -> None:
        """Cut a database server off from the others, but not from the app servers."""
        self._routes("add", node)

    def rejoin(self, node: DatabaseNode) -> None:
        self._routes("delete", node)

    def _routes(self, verb: str, node: DatabaseNode) -> None:
        for other in self.cluster.nodes:
            if other is not node:
                route = ["ip", "-n", node.name, "route", verb, "blackhole", other.address]
                subprocess.run(route, check=True)  # noqa: S603 (no outside input)


@contextmanager
def running_cluster_site(
    *, servers: int, last_release: Checkout | None, without: str | None, logs: Path
) -> Iterator[ClusterSite]:
    """Run the cluster, without one of GUARDS for a control, and connect Django to its primary.

    The logs of its parts are copied to the directory `logs`. Raise NotStarted or StartupError.
    """
    # At INFO, httpx logs each request to Patroni.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with running_cluster(servers=servers, **UNLIMITED, **HOLDS) as cluster:
        site = ClusterSite(
            cluster=cluster, last_release=last_release, is_asynchronous=without is not None
        )
        if site.is_asynchronous:
            _make_asynchronous(site)
        if without == FENCING:
            _bypass_balancer(cluster.servers[0], cluster)
        connect_django_to(cluster.database_url)
        try:
            yield site
        finally:
            connection.close()
            for machine in cluster.machines:
                for part in machine.parts.values():
                    shutil.copyfile(part.log, logs / f"{machine.name}.{part.name}.log")


def _make_asynchronous(site: ClusterSite) -> None:
    """Stop COMMIT from waiting for a standby."""
    site.cluster.reconfigure(synchronous_mode=False)
    primary = site.cluster.primary()
    wait_until(
        lambda: site.query(primary, "SHOW synchronous_standby_names") == [("",)],
        what="Asynchronous replication",
    )


def _bypass_balancer(server: AppServer, cluster: Cluster) -> None:
    """Connect one app server directly to the current primary, also after a failover."""
    values = cluster.values | {"BALANCER": cluster.primary().address}
    server.configure("pgbouncer.ini", values)
    server.parts["pgbouncer"].kill()
    server.parts["pgbouncer"].start()
    cluster.wait_for(server)
