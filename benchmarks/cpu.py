"""Processor time of processes: what others do on the machine hardly changes it, unlike rates."""

import os
from pathlib import Path

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")


def of_tree(pid: int) -> float:
    """Return the seconds that a process and all its descendants have used."""
    return sum(_of(each) for each in _tree(pid))


def postmaster(database: str) -> int | None:
    """Return the pid of PostgreSQL's first process, if it runs on this machine."""
    with psycopg.connect(database) as connection:
        pid = connection.info.backend_pid
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or "postgres" not in stat.read_text():
            return None
        return int(stat.read_text().rpartition(") ")[2].split()[1])


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _tree(int(child)))]


def _of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    # Of itself, and of its children that have ended: user, system, user, system.
    return sum(int(field) for field in fields[11:15]) / _TICKS
