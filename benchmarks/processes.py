"""Processor time, memory and sockets of running processes.

Other programs on the machine change rates far more than processor time per request.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import psutil
import psycopg

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MiB. `private` excludes pages shared with other processes."""

    resident: float
    private: float

    @classmethod
    def of(cls, pid: int) -> Self:
        memory = psutil.Process(pid).memory_full_info()
        return cls(memory.rss / MIB, memory.uss / MIB)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that these processes and all their descendants have used."""
    return sum(
        _cpu_seconds(process)
        for pid in pids
        for parent in [psutil.Process(pid)]
        for process in (parent, *parent.children(recursive=True))
    )


def postmaster(database: str) -> int | None:
    """Return the pid of PostgreSQL's first process, or None if it runs on another machine."""
    with psycopg.connect(database) as connection:
        try:
            backend = psutil.Process(connection.info.backend_pid)
            return backend.ppid() if "postgres" in backend.name() else None
        except psutil.NoSuchProcess:
            return None


def children(pid: int) -> list[int]:
    return sorted(child.pid for child in psutil.Process(pid).children())


def count_sockets(pids: Iterable[int]) -> int:
    """Count open sockets, including those that listen and those to PostgreSQL and Redis."""
    return sum(len(psutil.Process(pid).net_connections(kind="all")) for pid in pids)


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        seconds: float = sum(process.cpu_times()[:4])  # its own and its ended children's
        return seconds
    except psutil.NoSuchProcess:
        return 0.0
