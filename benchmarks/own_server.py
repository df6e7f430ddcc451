"""A web server of its own for the fuzzer and the timing of logins, on the database at hand."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.stampede.servers import free_port, wait_until

WORKERS = 2
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

    def is_ready(self) -> bool:
        probe = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            probe.request("GET", "/livez")
            return probe.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            probe.close()

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
    log, port = folder / "server.log", free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["deploy/serve"],  # noqa: S607 - of this repository
            env={
                **os.environ,
                **LIMITS,
                "PORT": str(port),
                "WEB_CONCURRENCY": str(WORKERS),
                # Else the fuzzer waits for minutes for the end of idle connections.
                "GRANIAN_HTTP1_HEADER_READ_TIMEOUT": "5000",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        server = Server(port, process, log)
        try:
            wait_until(server.is_ready, what="The server")
            yield server
        finally:
            process.terminate()
            process.wait()


def prepare() -> None:
    for arguments in (["migrate", "--noinput", "--verbosity=0"], ["seed_demo", "--verbosity=0"]):
        subprocess.run([sys.executable, "manage.py", *arguments], check=True)  # noqa: S603 (same)
