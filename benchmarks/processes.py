"""Processor time, memory and sockets of running processes, read from /proc.

Other programs on the machine change rates far more than processor time per request.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MiB. `pss` divides shared pages among the processes that share them."""

    rss: float
    pss: float

    @classmethod
    def of(cls, pid: int) -> Self:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        rss, pss = (
            sum(map(int, re.findall(rf"^{name}: +([0-9]+) kB", text, re.MULTILINE))) / 1024
            for name in ("Rss", "Pss")
        )
        return cls(rss, pss)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that these processes and all their descendants have used."""
    return sum(_cpu_seconds(each) for pid in pids for each in _tree(pid))


def postmaster(database: str) -> int | None:
    """Return the pid of PostgreSQL's first process, or None if it runs on another machine."""
    with psycopg.connect(database) as connection:
        pid = connection.info.backend_pid
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or "postgres" not in stat.read_text():
            return None
        return int(stat.read_text().rpartition(") ")[2].split()[1])


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:  # the process has ended
        return []
    return sorted(map(int, text.split()))


def count_sockets(pids: Iterable[int]) -> int:
    """Count open sockets, including those that listen and those to PostgreSQL and Redis."""
    return sum(
        os.readlink(file).startswith("socket:")
        for pid in pids
        for file in Path(f"/proc/{pid}/fd").iterdir()
    )


def _tree(pid: int) -> list[int]:
    return [pid, *(each for child in children(pid) for each in _tree(child))]


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    # utime, stime, and both of the children that have ended.
    return sum(int(field) for field in fields[11:15]) / _TICKS_PER_SECOND
