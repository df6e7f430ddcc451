"""Send requests with `wrk`, and read its rates and latencies."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

SCRIPT = Path(__file__).with_name("requests.lua")


class NoWrk(Exception):
    """wrk is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    token: str = ""
    key: str = ""
    body: str = ""
    encodings: str = ""  # the value of Accept-Encoding

    def line(self) -> str:
        fields = (self.method, self.path, self.token, self.key, self.encodings, self.body)
        return "\t".join(fields)


@dataclass(frozen=True, slots=True)
class Load:
    """Requests, and how they are sent.

    `once`: each request once; the run ends after the last. Otherwise they are
    repeated. `mode`: `plain`, `counted` (statuses are counted) or `holds` (each
    hold is released). Any status not in `expected` is a failure.
    """

    requests: list[Request]
    once: bool = False
    mode: str = "plain"
    expected: frozenset[str] = frozenset({"200", "201", "204"})


@dataclass(frozen=True, slots=True)
class Result:
    """`rate` is answers per second; `p50` and `p99` are milliseconds."""

    requests: int
    rate: float
    p50: float
    p99: float
    statuses: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise NoWrk("wrk not found: apt-get install wrk, or put it on the PATH.")


def run(load: Load, *, url: str, seconds: float, connections: int) -> Result:
    """Send the load, and wait until it ends."""
    with started(load, url=url, seconds=seconds, connections=connections) as process:
        return read_result(process, load)


@contextmanager
def started(
    load: Load, *, url: str, seconds: float, connections: int
) -> Iterator[subprocess.Popen[str]]:
    """Send the load in the background until the block ends."""
    with NamedTemporaryFile("w", suffix=".requests") as file:
        file.writelines(f"{request.line()}\n" for request in load.requests)
        file.flush()
        order = "once" if load.once else "cycle"
        # One thread sends more than two workers answer, and leaves them the other core.
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout=10s"]
        command += [f"--script={SCRIPT}", url, "--", file.name, order, load.mode]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def read_result(process: subprocess.Popen[str], load: Load) -> Result:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line == "finished\n":
            process.send_signal(signal.SIGINT)  # otherwise wrk sleeps until its time is over
    found = json.loads(lines[-1])
    return Result(
        requests=found["requests"],
        rate=found["requests"] / found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        statuses=found["statuses"],
        failures=list(_failures(found, load)),
    )


def _failures(found: dict[str, int], load: Load) -> Iterable[str]:
    if found["broken"]:
        yield f"{found['broken']} connections broke or timed out"
    if load.mode == "plain" and found["refused"]:
        yield f"{found['refused']} requests were refused"
    statuses: dict[str, int] = found["statuses"]  # type: ignore[assignment]
    for status, count in statuses.items():
        if status not in load.expected:
            yield f"{count} answers were {status}"
