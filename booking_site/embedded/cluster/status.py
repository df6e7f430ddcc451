"""The table of `make cluster`: every part, where it runs, its role and its state."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from booking_site.embedded.cluster.cluster import Cluster
from booking_site.embedded.cluster.nodes import AppServer, Node
from booking_site.embedded.cluster.parts import Part

_LINE = "{:<11} {:<9} {:<11} {:<9} {}"
_HEAD = _LINE.format("Part", "Machine", "Address", "Role", "State")
_SECONDS = 1.0
_MEGABYTE = 1 << 20
_NAMES = {
    "haproxy": "HAProxy",
    "web": "granian",
    "pgbouncer": "PgBouncer",
    "live": "live seats",
    "worker": "worker",
    "patroni": "PostgreSQL",
    "etcd": "etcd",
    "redis": "Redis",
    "sentinel": "Sentinel",
}
_PATRONI_ROLES = {"leader": "primary", "quorum_standby": "standby", "replica": "standby"}


def status_table(cluster: Cluster) -> str:
    """Return one line per part, of at most 80 characters, grouped by kind."""
    members = {each["name"]: each for each in _members(cluster)}
    parts = [(machine, part) for machine in cluster.machines for part in machine.parts.values()]
    order = list(_NAMES)
    parts.sort(key=lambda each: order.index(each[1].name))
    with ThreadPoolExecutor(len(parts)) as pool:
        rows = pool.map(lambda each: _row(cluster, each[0], each[1], members), parts)
        return "\n".join([_HEAD, *rows])


def _row(cluster: Cluster, machine: Node, part: Part, members: dict[str, Any]) -> str:
    role, state = "", part.state
    if machine.is_cut:
        state = "cut off"
    elif state == "running":
        role, state = _details(cluster, machine, part, members.get(machine.name, {}))
    return _LINE.format(_NAMES[part.name], machine.name, machine.address, role, state).rstrip()


def _details(
    cluster: Cluster, machine: Node, part: Part, member: dict[str, Any]
) -> tuple[str, str]:
    """Return the role and the state of a running part."""
    if part.name == "patroni" and member:
        return _PATRONI_ROLES.get(member["role"], member["role"]), _replication(member)
    if part.name == "etcd":
        return _etcd_role(machine), "running"
    if part.name == "redis":
        return _redis_role(machine, cluster.values["REDIS_PASSWORD"]), "running"
    if isinstance(machine, AppServer) and part.name == "web":
        return "", "ready" if machine.is_ready() else "not ready"
    return "", "running"


def _members(cluster: Cluster) -> list[dict[str, Any]]:
    """Return PostgreSQL's servers as the first node that responds sees them."""
    for node in cluster.nodes:
        if not node.is_cut and (answer := cluster.patroni.get(node, "/cluster")):
            return list(answer["members"])
    return []


def _replication(member: dict[str, Any]) -> str:
    state = str(member["state"])
    if member["role"] == "quorum_standby":
        state += ", synchronous"
    behind = member.get("lag")
    if isinstance(behind, int) and behind >= _MEGABYTE:
        state += f", {behind // _MEGABYTE} MB behind"
    return state


def _etcd_role(machine: Node) -> str:
    url = f"http://{machine.address}:2379/v3/maintenance/status"
    with suppress(httpx.TransportError, KeyError, ValueError):
        answer = httpx.post(url, json={}, timeout=_SECONDS, trust_env=False).json()
        return "leader" if answer["leader"] == answer["header"]["member_id"] else "follower"
    return ""


def _redis_role(machine: Node, password: str) -> str:
    with (
        suppress(RedisError),
        Redis(
            host=machine.address,
            password=password,
            socket_timeout=_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as redis,
    ):
        return "master" if redis.role()[0] == b"master" else "replica"
    return ""
