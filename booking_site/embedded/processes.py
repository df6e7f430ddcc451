"""Child processes that end with this one, and signals that are read one at a time."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_START_ATTEMPTS = 3

_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_WATCHED = _STOP_SIGNALS | {signal.SIGCHLD}


class Refusal(Exception):
    """The servers cannot run here; the message is one line for the person at the keyboard."""


class Interrupted(Exception):
    """A signal asked to stop before the command was started."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Account:
    """The unprivileged uid and gid that servers run as when this process is root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    name: str
    url: str
    stop_signal: signal.Signals
    launch: Callable[[], subprocess.Popen[bytes]]
    lives: int = 1  # how often it may end early before the command ends too

    def start_again(self) -> "Server":
        """Start it on the same port and data, its process having ended; do not wait for it."""
        return replace(self, process=self.launch())

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def hold_signals() -> None:
    """From now on signals wait until `pause` or `follow` reads them; while stopping, none does."""
    ignored = {number for number in _STOP_SIGNALS if signal.getsignal(number) == signal.SIG_IGN}
    _STOP_SIGNALS.difference_update(ignored)  # started by nohup, or in the background
    _WATCHED.difference_update(ignored)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)


def pause(seconds: float) -> None:
    """Wait for so long or until a child ends. Raises Interrupted when asked to stop."""
    event = signal.sigtimedwait(_WATCHED, seconds)
    if event is not None and event.si_signo in _STOP_SIGNALS:
        raise Interrupted(event.si_signo)


def end_with_parent() -> None:
    """From now on the end of this process's parent is a SIGTERM; not where Linux is not.

    It holds for a program that takes this process's place, too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def spawn(
    command: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None,
    output: IO[bytes] | None = None,
    keep_open: Sequence[int] = (),
    own_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a child that gets `death_signal` when this process ends, however it ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        prctl(_PR_SET_PDEATHSIG, int(death_signal))  # after setuid, which clears it
        if os.getppid() != parent:  # it died before it could be watched
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)

    return subprocess.Popen(  # noqa: S603 (the command is the caller's own)
        command,
        preexec_fn=prepare,
        env=environment,
        stdin=stdin,
        stdout=output,
        stderr=output,
        pass_fds=keep_open,
        start_new_session=own_session,
    )


def start_on_free_port(
    *,
    name: str,
    launch: Callable[[int], subprocess.Popen[bytes]],
    is_ready: Callable[[int], bool],
    log: Path,
) -> tuple[subprocess.Popen[bytes], int]:
    """Return the process that `launch(port)` started and the port it answers on.

    Somebody else may take the port before the server does, so a server that
    ends at once is tried again on another. Raises Refusal after some attempts.
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
    raise Refusal(f"{name} did not start: {last_line(log)}")


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it left no message.")


def follow(command: subprocess.Popen[bytes], servers: list[Server]) -> int:
    """Pass signals on to the command until it ends; return its exit code, as a shell has it.

    A server that ends early is started again, in its place in `servers`, while it has lives
    left. One that has none ends the command too; raises Refusal for that.
    """
    fallen: Server | None = None
    while (code := command.poll()) is None:
        event = signal.sigwaitinfo(_WATCHED)
        if event.si_signo in _STOP_SIGNALS:
            # A key pressed at the terminal (code > 0) has reached the command already.
            if event.si_code <= 0:
                # To gunicorn a hang-up means reload.
                hang_up = event.si_signo == signal.SIGHUP
                command.send_signal(signal.SIGTERM if hang_up else event.si_signo)
        elif fallen is None:
            fallen = _revive(servers)
            if fallen is not None:
                command.terminate()
    if fallen is not None:
        raise Refusal(f"{fallen.name} ended while the command was running, so it was stopped.")
    return code if code >= 0 else 128 - code


def _revive(servers: list[Server]) -> Server | None:
    """Start again what has ended; return the first that had no life left."""
    for index, server in enumerate(servers):
        if server.process.poll() is None:
            continue
        if server.lives <= 1:
            return server
        servers[index] = replace(server.start_again(), lives=server.lives - 1)
        sys.stderr.write(f"{server.name} ended and was started again.\n")
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
