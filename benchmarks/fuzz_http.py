"""Sends hostile requests to a server, and checks for 500s, hung workers and growing memory.

`make fuzz` runs it. It fills the database with demo data, prints how often each status
was returned and how much memory the workers use, and exits with 1 on any failure. The
same seed makes the same requests; `--only N` sends the N-th alone and prints the exchange.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hostile_requests import Draft, hostile_request
from benchmarks.processes import Memory, children, count_sockets
from benchmarks.servers import SERVERS, WORKERS, App, development, seed_demo, serving

CLIENTS = 64
# The longest that a well-formed request may take meanwhile.
TIMEOUT_SECONDS = 20.0
# A client that has sent everything waits this long for the first byte, then shuts its side
# down: keeping slow and silent clients out is the work of the proxy, not of the server.
ANSWER_SECONDS = 1.0
# A connection that is still open this long after the client has shut its side down is hung.
HUNG_SECONDS = 60.0
PAUSE_SECONDS = 0.05
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")
# After this share of the requests caches and pools are full: memory must not grow any more.
WARM = 0.2
GROWTH_ALLOWED_MIB = 24


@dataclass
class Tally:
    """The answers so far."""

    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    sent: int = 0


async def exchange(port: int, draft: Draft, *, shuts_down: bool) -> bytes:
    """Send the request, and return everything received until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = bytearray()
    answered = asyncio.Event()

    async def listen() -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                answer.extend(data)
                answered.set()
        answered.set()

    listening = asyncio.create_task(listen())
    raw = draft.encoded()
    try:
        with suppress(OSError):
            size = max(1, -(-len(raw) // draft.pieces))
            for start in range(0, len(raw), size):
                writer.write(raw[start : start + size])
                await writer.drain()
                if draft.pieces > 1:
                    await asyncio.sleep(PAUSE_SECONDS)
            if shuts_down:
                with suppress(TimeoutError):
                    await asyncio.wait_for(answered.wait(), ANSWER_SECONDS)
                writer.write_eof()
        await asyncio.wait_for(listening, HUNG_SECONDS)
    finally:
        listening.cancel()
        writer.close()
    return bytes(answer)


async def send_all(port: int, drafts: Iterator[tuple[int, Draft]], tally: Tally) -> None:
    """Send the requests one after another, as one client."""
    for number, draft in drafts:
        try:
            answer = await exchange(port, draft, shuts_down=True)
        except TimeoutError:
            tally.failures.append(f"request {number} left its connection open")
            answer = b""
        statuses = STATUS.findall(answer) or [b"none"]
        tally.statuses.update(status.decode() for status in statuses)
        tally.sent += 1
        if b"500" in statuses:
            tally.failures.append(f"request {number} was answered 500")


async def visit(port: int, tally: Tally) -> None:
    """Send a well-formed request every second, and record any that is slow or fails."""
    call = Draft(b"GET", b"/api/movies", [(b"Host", b"127.0.0.1"), (b"Connection", b"close")])
    while True:
        try:
            answer = await asyncio.wait_for(exchange(port, call, shuts_down=False), TIMEOUT_SECONDS)
            if STATUS.match(answer) is None or b" 200 " not in answer[:16]:
                tally.failures.append(f"a well-formed request was answered {answer[:40]!r}")
        except TimeoutError:
            tally.failures.append(f"a well-formed request took over {TIMEOUT_SECONDS:.0f} s")
        await asyncio.sleep(1)


async def watch(server: App, tally: Tally, *, count: int) -> list[list[float]]:
    """Print the progress; return the workers' MiB at five moments from `WARM` on."""
    marks = [int(count * (WARM + (1 - WARM) * part / 4)) for part in range(5)]
    memory: list[list[float]] = []
    began = time.monotonic()
    while len(memory) < len(marks):
        await asyncio.sleep(0.5)
        if tally.sent >= marks[len(memory)]:
            memory.append([Memory.of(worker).resident for worker in children(server.pid)])
            rate = tally.sent / (time.monotonic() - began)
            sizes = " and ".join(f"{mib:.0f}" for mib in memory[-1])
            print(f"{tally.sent:>8} sent, {rate:.0f} /s, workers use {sizes} MiB", flush=True)
    return memory


async def fuzz(server: App, *, token: str, seed: int, numbers: range, tally: Tally) -> None:
    workers = children(server.pid)
    idle = count_sockets(workers)
    most_idle = idle + WORKERS * 20  # each thread may keep connections to PostgreSQL and Redis
    drafts = ((number, hostile_request(seed, number, token=token)) for number in numbers)
    visitor = asyncio.create_task(visit(server.port, tally))
    watcher = asyncio.create_task(watch(server, tally, count=len(numbers)))
    await asyncio.gather(*(send_all(server.port, drafts, tally) for _ in range(CLIENTS)))
    memory = await watcher
    visitor.cancel()
    deadline = time.monotonic() + HUNG_SECONDS
    while (still := count_sockets(children(server.pid))) > most_idle:
        if time.monotonic() > deadline:
            tally.failures.append(f"{still} sockets are open at the end, {idle} at the start")
            break
        await asyncio.sleep(1)
    if children(server.pid) != workers:
        tally.failures.append("a worker died")
    grown = [after - before for before, after in zip(memory[0], memory[-1], strict=True)]
    if max(grown) > GROWTH_ALLOWED_MIB:
        tally.failures.append(f"workers grew by {grown} MiB since they were warm")


def logged_errors(log: Path) -> list[str]:
    """Return the lines that the server logged as errors."""
    return [
        f"the server logged: {line.strip()[:200]}"
        for line in log.read_text(errors="replace").splitlines()
        if "Traceback" in line or "[error" in line or "[critical" in line
    ]


async def registered(port: int) -> str:
    """Open an account, and return its access token."""
    email = f"fuzzer-{time.time_ns()}@example.com"
    person = {"name": "Fuzzer", "email": email, "password": "seven seals in the bay"}
    call = Draft(
        b"POST",
        b"/api/auth/register",
        [
            *((b"Host", b"127.0.0.1"), (b"Connection", b"close")),
            (b"Content-Type", b"application/json"),
        ],
        json.dumps(person).encode(),
    )
    answer = await exchange(port, call, shuts_down=False)
    token: str = json.loads(answer.partition(b"\r\n\r\n")[2])["token"]
    return token


async def run(server: App, *, seed: int, numbers: range) -> Tally:
    token = await registered(server.port)
    tally = Tally()
    if len(numbers) > 1:
        await fuzz(server, token=token, seed=seed, numbers=numbers, tally=tally)
        return tally
    draft = hostile_request(seed, numbers[0], token=token)
    print(f"sent: {draft.encoded()[:5000]!r}")
    print(f"received: {await exchange(server.port, draft, shuts_down=True)!r}")
    return tally


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--requests", type=int, default=100_000, help="how many (100000)")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", type=int, metavar="N", help="send the N-th alone, and print it")
    options.add_argument("--server", choices=SERVERS, default=SERVERS[0])
    chosen = options.parse_args()
    alone = chosen.only is not None
    numbers = range(chosen.only, chosen.only + 1) if alone else range(chosen.requests)
    seed_demo()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(
            environment=development(), log=Path(folder) / "site.log", server=chosen.server
        ) as server,
    ):
        tally = asyncio.run(run(server, seed=chosen.seed, numbers=numbers))
        tally.failures += logged_errors(server.log)
    for status, times in sorted(tally.statuses.items()):
        print(f"{status:>8} {times}")
    for failure, times in Counter(tally.failures).most_common(50):
        print(f"FAILED: {failure} ({times} times)")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
