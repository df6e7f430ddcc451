"""The faults of a cluster: each function breaks one part, and repairs it.

Each returns when the cluster is complete again, because the cluster is not built to survive two
faults at once.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
from redis import Redis

from benchmarks.servers import wait_until
from benchmarks.stampede.checker import DEPLOY
from benchmarks.stampede.cluster import ClusterSite
from benchmarks.stampede.faults import HOUR, Damage, Fault
from benchmarks.stampede.servers import SKEWED_CLOCK
from booking_site.embedded.cluster.nodes import DatabaseNode

END_WAITS = (
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
)
RECEIVER = "SELECT pid FROM pg_stat_wal_receiver"
SOME_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE usename LIKE 'booking%' AND random() < 0.5
"""


def kill_primary(site: ClusterSite, rng: random.Random) -> Damage:
    """Crash PostgreSQL; its Patroni notices at once."""
    site.cluster.primary().kill_postgres()
    return _repaired(site)


def lose_primary(site: ClusterSite, rng: random.Random) -> Damage:
    """Crash the machine, which the others notice when its lease expires."""
    primary = site.cluster.primary()
    primary.kill()
    return _failed_over(site, primary, primary.start)


def freeze_primary(site: ClusterSite, rng: random.Random) -> Damage:
    primary = site.cluster.primary()
    primary.freeze()
    return _failed_over(site, primary, primary.thaw)


def cut_primary(site: ClusterSite, rng: random.Random) -> Damage:
    """Cut the primary off from everything."""
    primary = site.cluster.primary()
    primary.cut()
    return _failed_over(site, primary, primary.reconnect)


def isolate_primary(site: ClusterSite, rng: random.Random) -> Damage:
    """Cut the primary off from the other database servers only, so that customers reach it."""
    primary = site.cluster.primary()
    site.isolate(primary)
    return _failed_over(site, primary, lambda: site.rejoin(primary))


def kill_patroni(site: ClusterSite, rng: random.Random) -> Damage:
    """Kill the Patroni of the primary, but not its PostgreSQL."""
    primary = site.cluster.primary()
    patroni = primary.parts["patroni"]
    assert patroni.process is not None  # noqa: S101 - the cluster has been started
    patroni.process.kill()
    patroni.process.wait()
    return _failed_over(site, primary, patroni.start)


def fill_disk(site: ClusterSite, rng: random.Random) -> Damage:
    primary = site.cluster.primary()
    ballast = primary.disk / "ballast"
    with suppress(OSError), Path("/dev/zero").open("rb") as zeros, ballast.open("wb") as file:
        shutil.copyfileobj(zeros, file)  # ends when the disk is full
    with suppress(psycopg.OperationalError):
        while True:  # until PostgreSQL has used up its spare WAL files and stops
            site.query(primary, "SELECT pg_switch_wal()")
            time.sleep(0.1)
    return _failed_over(site, primary, ballast.unlink)


def switch_over(site: ClusterSite, rng: random.Random) -> Damage:
    site.cluster.switch_over(to=rng.choice(site.cluster.standbys()))
    return _repaired(site)


def end_waits(site: ClusterSite, rng: random.Random) -> Damage:
    """End COMMITs' waits for standbys that have stopped receiving, and then lose the primary.

    What these COMMITs wrote is visible until the failover undoes it.
    """
    primary = site.cluster.primary()
    receivers = [pid for node in site.cluster.standbys() for (pid,) in site.query(node, RECEIVER)]
    for pid in receivers:
        os.kill(pid, signal.SIGSTOP)
    ended = 0
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        ended += len(site.query(primary, rng.choice(END_WAITS)))
        time.sleep(0.1)
    primary.kill()
    for pid in receivers:
        os.kill(pid, signal.SIGKILL)  # so that it does not read what had been sent to it
    _failed_over(site, primary, primary.start)
    return Damage(detail=f"{ended} waits")


def kill_standby(site: ClusterSite, rng: random.Random) -> Damage:
    standby = rng.choice(site.cluster.standbys())
    standby.kill()
    time.sleep(rng.uniform(3, 6))
    standby.start()
    return _repaired(site)


def freeze_standby(site: ClusterSite, rng: random.Random) -> Damage:
    standby = rng.choice(site.cluster.standbys())
    standby.freeze()
    time.sleep(rng.uniform(6, 12))
    standby.thaw()
    return _repaired(site)


def cut_standby(site: ClusterSite, rng: random.Random) -> Damage:
    standby = rng.choice(site.cluster.standbys())
    standby.cut()
    time.sleep(rng.uniform(6, 12))
    standby.reconnect()
    return _repaired(site)


def kill_etcd(site: ClusterSite, rng: random.Random) -> Damage:
    etcd = rng.choice(site.cluster.nodes).parts["etcd"]
    etcd.kill()
    time.sleep(rng.uniform(3, 6))
    etcd.start()
    return _repaired(site)


def kill_redis(site: ClusterSite, rng: random.Random) -> Damage:
    """Kill the Redis master, and let Sentinel choose another."""
    master = _redis_master(site)
    master.parts["redis"].kill()
    wait_until(lambda: site.redis_master() not in (None, master), what="Another Redis master")
    master.parts["redis"].start()
    return Damage()


def freeze_redis(site: ClusterSite, rng: random.Random) -> Damage:
    redis = _redis_master(site).parts["redis"]
    redis.freeze()
    time.sleep(rng.uniform(1, 4))  # Sentinel replaces a master after two seconds.
    redis.thaw()
    return Damage()


def flush_redis(site: ClusterSite, rng: random.Random) -> Damage:
    password = site.cluster.values["REDIS_PASSWORD"]
    with Redis(host=_redis_master(site).address, password=password) as redis:
        redis.flushall()
    return Damage()


def terminate_connections(site: ClusterSite, rng: random.Random) -> Damage:
    count = len(site.query(site.cluster.primary(), SOME_CONNECTIONS))
    return Damage(detail=f"{count} connections")


def kill_pgbouncer(site: ClusterSite, rng: random.Random) -> Damage:
    pgbouncer = rng.choice(site.apps).parts["pgbouncer"]
    pgbouncer.kill()
    time.sleep(rng.uniform(1, 3))
    pgbouncer.start()
    return Damage()


def kill_haproxy(site: ClusterSite, rng: random.Random) -> Damage:
    haproxy = site.cluster.balancer.parts["haproxy"]
    haproxy.kill()
    time.sleep(rng.uniform(1, 3))
    haproxy.start()
    return Damage()


def freeze_app(site: ClusterSite, rng: random.Random) -> Damage:
    app = rng.choice(site.apps)
    app.freeze()
    time.sleep(rng.uniform(5, 10))
    app.thaw()
    return Damage()


def cut_app(site: ClusterSite, rng: random.Random) -> Damage:
    app = rng.choice(site.apps)
    app.cut()
    time.sleep(rng.uniform(5, 10))
    app.reconnect()
    return Damage()


def kill_app(site: ClusterSite, rng: random.Random) -> Damage:
    app = rng.choice(site.apps)
    app.parts["web"].kill()
    site.restart_web(app)
    return Damage()


def skew_clock(site: ClusterSite, rng: random.Random) -> Damage:
    web = site.apps[-1].parts["web"]
    hours = -1 if web.environment.get("CLOCK_SKEW_SECONDS") == str(HOUR) else 1
    skew = {"PYTHONPATH": str(SKEWED_CLOCK), "CLOCK_SKEW_SECONDS": str(hours * HOUR)}
    web.environment = {**web.environment, **skew}
    web.stop()
    site.restart_web(site.apps[-1])
    return Damage(detail="an hour ahead" if hours > 0 else "an hour behind")


def deploy(site: ClusterSite, rng: random.Random) -> Damage:
    """Replace the servers one by one by those of the last release, and back."""
    assert site.last_release is not None  # noqa: S101 - the director has checked it
    new = site.apps[0].parts["web"].command
    old = [site.last_release.root / "deploy" / "serve"]
    for release in (old, new):
        for app in site.apps:
            app.parts["web"].stop()
            app.parts["web"].command = release
            site.restart_web(app)
    return Damage()


def _failed_over(site: ClusterSite, former: DatabaseNode, repair: Callable[[], object]) -> Damage:
    site.wait_for_another_primary(former)
    repair()
    return _repaired(site)


def _repaired(site: ClusterSite) -> Damage:
    site.wait_until_complete()
    return Damage()


def _redis_master(site: ClusterSite) -> DatabaseNode:
    wait_until(lambda: site.redis_master() is not None, what="A Redis master")
    master = site.redis_master()
    assert master is not None  # noqa: S101 - Sentinel does not forget it
    return master


FAULTS: dict[str, Fault] = {
    "primary-kill": kill_primary,
    "primary-lost": lose_primary,
    "primary-freeze": freeze_primary,
    "primary-cut": cut_primary,
    "primary-isolated": isolate_primary,
    "primary-disk-full": fill_disk,
    "patroni-kill": kill_patroni,
    "commit-waits-ended": end_waits,
    "switchover": switch_over,
    "standby-kill": kill_standby,
    "standby-freeze": freeze_standby,
    "standby-cut": cut_standby,
    "etcd-kill": kill_etcd,
    "redis-kill": kill_redis,
    "redis-freeze": freeze_redis,
    "redis-flush": flush_redis,
    "postgres-terminate": terminate_connections,
    "pgbouncer-kill": kill_pgbouncer,
    "haproxy-kill": kill_haproxy,
    "app-freeze": freeze_app,
    "app-cut": cut_app,
    "app-kill": kill_app,
    "clock": skew_clock,
    DEPLOY: deploy,
}
