"""Child processes that end with this one, such as the servers."""

import atexit
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

_REAPER = Path(__file__).with_name("reaper.py")
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_START_ATTEMPTS = 3

stop_requests: list[int] = []  # Signals received while the servers start; see `pause`.


class StartupError(Exception):
    """The servers cannot run here; the message is one line for the user."""


class Interrupted(Exception):
    """A signal asked to stop before the command was started."""


class Child(subprocess.Popen[bytes]):
    """A process that gets `death_signal` when this process ends, however it ends."""

    def __init__(self, command: Sequence[str | Path], *, death_signal: int, **options: Any) -> None:
        super().__init__(command, **options)
        self._notify_reaper(death_signal)

    def poll(self) -> int | None:
        running = self.returncode is None
        code = super().poll()
        if running and code is not None:
            self._notify_reaper(0)  # Another process may get this pid.
        return code

    def wait(self, timeout: float | None = None) -> int:
        running = self.returncode is None
        code = super().wait(timeout)
        if running:
            self._notify_reaper(0)
        return code

    def _notify_reaper(self, number: int) -> None:
        pipe = _reaper().stdin
        assert pipe is not None  # noqa: S101 (for the type checker)
        pipe.write(f"{self.pid} {int(number)}\n".encode())


@cache
def _reaper() -> subprocess.Popen[bytes]:
    reaper = subprocess.Popen(  # noqa: S603 (our own program)
        [sys.executable, "-I", "-S", _REAPER],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # The terminal's signals do not reach it.
    )
    atexit.register(reaper.communicate)  # Close the pipe and wait for its end.
    return reaper


@dataclass(frozen=True)
class Server:
    process: Child
    name: str
    url: str
    stop_signal: signal.Signals
    launch: Callable[[], Child]
    restarts: int = 0  # How often it is started again before the command is stopped too.

    def start_again(self) -> "Server":
        """Start it on the same port and data after its process has ended; do not wait for it."""
        return replace(self, process=self.launch(), restarts=self.restarts - 1)

    def stop(self) -> None:
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def pause(seconds: float) -> None:
    """Sleep, then raise Interrupted if a signal asked to stop.

    Signals are noticed only here, so that no child is left unrecorded.
    """
    time.sleep(seconds)
    if stop_requests:
        raise Interrupted(stop_requests[0])


def start_on_free_port(
    *, name: str, launch: Callable[[int], Child], is_ready: Callable[[int], bool], log: Path
) -> tuple[Child, int]:
    """Return the process that `launch(port)` started and the port it answers on.

    Another program may take the port first, so a server that ends at once is
    started on another. Raises StartupError after several attempts.
    """
    for _ in range(_START_ATTEMPTS):
        port = _free_port()
        process = launch(port)
        deadline = time.monotonic() + _START_SECONDS
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if is_ready(port):
                    return process, port
                pause(0.01)
        except Interrupted:
            process.kill()
            process.wait()
            raise
        process.kill()
        process.wait()
    raise StartupError(f"{name} did not start: {last_line(log)}")


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it left no message.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
