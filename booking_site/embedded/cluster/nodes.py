"""The machines of the cluster, and what runs on each."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import httpx

from booking_site.embedded.cluster import namespaces
from booking_site.embedded.cluster.parts import Part, send

ROOT = Path(__file__).parents[3]
CONFIGURATION = ROOT / "deploy" / "cluster"
_READY_SECONDS = 5.0


@dataclass(kw_only=True)
class Node:
    """A machine: a network namespace, a disk, and a directory for configuration and logs."""

    name: str
    address: str
    directory: Path
    disk: Path
    parts: dict[str, Part] = field(default_factory=dict)
    is_cut: bool = False

    def add(self, name: str, command: Sequence[str | Path], **options: Any) -> None:
        log = self.directory / f"{name}.log"
        self.parts[name] = Part(name=name, machine=self.name, command=command, log=log, **options)

    def configure(self, file: str, values: dict[str, str]) -> Path:
        """Fill in a file of deploy/cluster for this machine, and return its path."""
        machine = {
            "NAME": self.name,
            "ADDRESS": self.address,
            "DIRECTORY": str(self.directory),
            "DATA": str(self.disk),
        }
        filled = self.directory / file
        filled.touch(mode=0o600)
        filled.write_text(Template((CONFIGURATION / file).read_text()).substitute(values | machine))
        return filled

    def cut(self) -> None:
        """Disconnect it from the network; its processes still reach each other."""
        namespaces.disconnect(self.name)
        self.is_cut = True

    def reconnect(self) -> None:
        namespaces.connect(self.name)
        self.is_cut = False

    def start(self) -> None:
        for part in self.parts.values():
            part.start()

    def stop(self) -> None:
        for part in reversed(self.parts.values()):
            part.stop()

    def kill(self) -> None:
        """Kill all its processes, as a power failure does."""
        for part in self.parts.values():
            part.kill()

    def freeze(self) -> None:
        for part in self.parts.values():
            part.freeze()

    def thaw(self) -> None:
        for part in self.parts.values():
            part.thaw()


@dataclass(kw_only=True)
class DatabaseNode(Node):
    """Patroni with its PostgreSQL, a member of etcd, Redis and Sentinel."""

    password: str  # of PostgreSQL's superuser

    @property
    def url(self) -> str:
        """PostgreSQL on this machine, by its network address, as a superuser."""
        return f"postgres://postgres:{self.password}@{self.address}:5432/booking"

    @property
    def socket_url(self) -> str:
        """The same through a socket in the file system, which also works without the network."""
        return f"postgres://postgres:{self.password}@/booking?host={self.disk}"

    def postgres_pid(self) -> int | None:
        try:
            return int((self.disk / "postgres" / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def kill_postgres(self) -> None:
        self._send_to_postgres(signal.SIGKILL)

    def freeze_postgres(self) -> None:
        self._send_to_postgres(signal.SIGSTOP)

    def thaw_postgres(self) -> None:
        self._send_to_postgres(signal.SIGCONT)

    def kill(self) -> None:
        super().kill()
        self.kill_postgres()

    def freeze(self) -> None:
        super().freeze()
        self.freeze_postgres()

    def thaw(self) -> None:
        super().thaw()
        self.thaw_postgres()

    def _send_to_postgres(self, number: int) -> None:
        if pid := self.postgres_pid():
            send(number, [pid])


@dataclass(kw_only=True)
class AppServer(Node):
    """Web processes of granian with their PgBouncer."""

    number: int
    port: int = 8000

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=_READY_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200
