"""The processes of the cluster's machines."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from booking_site.embedded.cluster.namespaces import SEARCH_PATH, on_machine
from booking_site.embedded.processes import Child, StartupError, last_line, pause

_START_SECONDS = 180.0
_STOP_SECONDS = 40.0  # more than WEB_GRACEFUL_SECONDS


@dataclass(kw_only=True)
class Part:
    """A server process on a machine. `start` runs `command`, also after the process has ended."""

    name: str
    machine: str
    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    inherits: Sequence[int] = ()  # file descriptors
    process: Child | None = None

    def start(self) -> None:
        # Not that of this process: it may have PGDATA, or a locale that is not installed.
        environment = {"PATH": SEARCH_PATH, "LC_ALL": "C"}
        with self.log.open("ab") as output:
            self.process = Child(
                on_machine(self.machine, self.command),
                death_signal=signal.SIGKILL,
                env={**environment, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.inherits,
                start_new_session=True,  # so that Ctrl-C does not reach it
            )

    def stop(self) -> None:
        """End it by SIGTERM, so that it completes its requests; kill it if it takes too long."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it and its children at once."""
        self._send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    @property
    def state(self) -> str:
        """Return running, frozen, ended, or not started."""
        if self.process is None:
            return "not started"
        if self.process.poll() is not None:
            return "ended"
        stopped = psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED
        return "frozen" if stopped else "running"

    def _send(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            send(number, [self.process.pid])


def send(number: int, pids: Sequence[int]) -> None:
    """Send a signal to processes and all their children."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    for each in found:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(number)


def wait_until(condition: Callable[[], object], *, what: str, log: Path | None = None) -> None:
    """Raise StartupError naming `what`, and the last line of its log, if it takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            reason = f": {last_line(log)}" if log else "."
            raise StartupError(f"Waited {_START_SECONDS:.0f} seconds for {what}{reason}")
        pause(0.05)
