"""Runs the user's command, and restarts the servers that it needs."""

import os
import signal
import sys
import time
from types import FrameType
from typing import Any

from booking_site.embedded.processes import Child, Server, StartupError, stop_requests


class Command:
    """The user's command, which gets the signals that this process receives."""

    death_signal = signal.SIGTERM

    def __init__(self, words: list[str], *, parent: int | None, **options: Any) -> None:
        self._words = words
        self._parent = parent
        self._options = options
        self._process: Child | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, self._receive)

    def run(self, servers: list[Server]) -> int:
        """Run it to its end and return its exit code as a shell does.

        A server that ends early is started again, and replaced in `servers`. Once it has no
        restarts left, the command is stopped, and StartupError is raised.
        """
        failed: Server | None = None
        self._process = Child(self._words, death_signal=self.death_signal, **self._options)
        for number in stop_requests:
            self.send(self._process, number)
        while (code := self._process.poll()) is None:
            if self._parent not in (None, os.getppid()):
                self._parent = None
                self.send(self._process, signal.SIGTERM)
            if failed is None and (failed := _restart_ended(servers)):
                self.send(self._process, signal.SIGTERM)
            time.sleep(0.05)
        if failed is not None:
            raise StartupError(f"{failed.name} ended while the command ran, so it was stopped.")
        return code if code >= 0 else 128 - code

    def send(self, process: Child, number: int) -> None:
        # gunicorn takes SIGHUP for a reload.
        process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._process is None:
            stop_requests.append(number)
        elif number == signal.SIGTERM or not _in_foreground():
            self.send(self._process, number)


def _in_foreground() -> bool:
    """Return whether the terminal sends its signals to this process, and so to the command."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # the terminal has hung up
        return False
    finally:
        os.close(terminal)


def _restart_ended(servers: list[Server]) -> Server | None:
    """Restart the servers that have ended; return one that has ended too often, if any."""
    for index, server in enumerate(servers):
        if server.process.poll() is None:
            continue
        if not server.restarts:
            return server
        servers[index] = server.start_again()
        sys.stderr.write(f"{server.name} ended and was started again.\n")
    return None
