"""The site with a gunicorn of its own, for what measures it: on the database at hand."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WORKERS = 2
# Else who waits for the end of a kept connection waits for minutes.
KEEPALIVE = {"GUNICORN_KEEPALIVE_SECONDS": "5"}
LIMITS = {
    **dict.fromkeys(
        (
            *(f"THROTTLE_{name}" for name in ("REGISTER", "LOGIN", "MAIL_LINK", "MAIL")),
            *(f"THROTTLE_{name}" for name in ("HOLD", "HOLD_ADDRESS", "BOOKING")),
            "THROTTLE_BOOKING_ADDRESS",
        ),
        "",
    ),
    # Else all logins are refused before they are looked at.
    **{f"LOGIN_FAILURES_PER_{name}": "1000000" for name in ("ACCOUNT", "ADDRESS")},
}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Server:
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def workers(self) -> list[int]:
        pid = self.process.pid
        return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def memory(self) -> list[int]:
        """Return what each worker has in memory, in KiB."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.workers()]
        return [int(found[1]) for text in texts if (found := re.search(r"VmRSS:\s+(\d+)", text))]

    def connections(self) -> int:
        """Count the sockets that the workers have open, listening ones and databases included."""
        return sum(
            os.readlink(file).startswith("socket:")
            for pid in self.workers()
            for file in Path(f"/proc/{pid}/fd").iterdir()
        )


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    log = folder / "gunicorn.log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        number = listener.fileno()
        process = subprocess.Popen(  # noqa: S603 - no outside input
            [sys.executable, "-m", "gunicorn", f"--workers={WORKERS}", f"--bind=fd://{number}"],
            env={**os.environ, "PROCESS_ROLE": "web", **KEEPALIVE, **LIMITS},
            pass_fds=[number],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Server(listener.getsockname()[1], process, log)
        finally:
            process.terminate()
            process.wait()


def prepare() -> None:
    for arguments in (["migrate", "--noinput", "--verbosity=0"], ["seed_demo", "--verbosity=0"]):
        subprocess.run([sys.executable, "manage.py", *arguments], check=True)  # noqa: S603 (same)
