"""Hostile requests against a web server of its own: no 500, no hung worker, no memory that grows.

`make fuzz` runs it. It fills the database with the demo, prints what each status was
answered how often and what the workers keep in memory on the way, and exits with 1 on any
failure. The same seed makes the same requests; `--only N` sends the N-th alone and prints
both sides.
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
from benchmarks.own_server import WORKERS, Server, prepare, say, serving

CLIENTS = 64
# What an honest caller waits at most while the others are at it.
PATIENCE_SECONDS = 20.0
# The server cuts off whoever has not sent a request after 10 seconds, or read the
# answer after 30 more. What is still open then is hung.
HUNG_SECONDS = 60.0
PAUSE_SECONDS = 0.05
# Most clients hang up when they have sent all; the others wait for the server to do so.
SHARE_THAT_WAITS = 50
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")
# After this share of the requests, caches and pools are filled: from here on memory is flat.
WARM = 0.2
GROWTH_ALLOWED_KIB = 24 * 1024


@dataclass
class Tally:
    """What has come back so far."""

    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    sent: int = 0


async def exchange(port: int, draft: Draft, *, hangs_up: bool) -> bytes:
    """Send the request, and return all that comes back until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = bytearray()

    async def listen() -> None:
        while data := await reader.read(65536):
            answer.extend(data)

    listening = asyncio.create_task(listen())
    raw = draft.encoded()
    try:
        with suppress(ConnectionError):
            size = max(1, -(-len(raw) // draft.pieces))
            for start in range(0, len(raw), size):
                writer.write(raw[start : start + size])
                await writer.drain()
                if draft.pieces > 1:
                    await asyncio.sleep(PAUSE_SECONDS)
            if hangs_up:
                writer.write_eof()
        with suppress(ConnectionError):
            await asyncio.wait_for(listening, HUNG_SECONDS)
    finally:
        listening.cancel()
        writer.close()
    return bytes(answer)


async def send_all(port: int, drafts: Iterator[tuple[int, Draft]], tally: Tally) -> None:
    """Be one of the clients."""
    for number, draft in drafts:
        try:
            answer = await exchange(port, draft, hangs_up=number % SHARE_THAT_WAITS > 0)
        except TimeoutError:
            tally.failures.append(f"request {number} was never answered to its end")
            answer = b""
        statuses = STATUS.findall(answer) or [b"none"]
        tally.statuses.update(status.decode() for status in statuses)
        tally.sent += 1
        if b"500" in statuses:
            tally.failures.append(f"request {number} was answered 500")


async def visit(port: int, tally: Tally) -> None:
    """Be an honest caller, over and over, who never waits long."""
    call = Draft(b"GET", b"/api/movies", [(b"Host", b"127.0.0.1"), (b"Connection", b"close")])
    while True:
        try:
            answer = await asyncio.wait_for(exchange(port, call, hangs_up=False), PATIENCE_SECONDS)
            if STATUS.match(answer) is None or b" 200 " not in answer[:16]:
                tally.failures.append(f"an honest caller was answered {answer[:40]!r}")
        except TimeoutError:
            tally.failures.append("an honest caller waited in vain")
        await asyncio.sleep(1)


async def watch(server: Server, tally: Tally, *, count: int) -> list[list[int]]:
    """Print how it goes; return the workers' memory at each fifth of the way from `WARM` on."""
    marks = [int(count * (WARM + (1 - WARM) * part / 4)) for part in range(5)]
    memory: list[list[int]] = []
    began = time.monotonic()
    while len(memory) < len(marks):
        await asyncio.sleep(0.5)
        if tally.sent >= marks[len(memory)]:
            memory.append(server.memory())
            rate = tally.sent / (time.monotonic() - began)
            megabytes = " and ".join(f"{kib / 1024:.0f}" for kib in memory[-1])
            say(f"{tally.sent:>8} sent, {rate:.0f} a second, workers have {megabytes} MiB")
    return memory


async def fuzz(server: Server, *, token: str, seed: int, numbers: range, tally: Tally) -> None:
    workers = server.workers()
    idle = server.connections()
    drafts = ((number, hostile_request(seed, number, token=token)) for number in numbers)
    visitor = asyncio.create_task(visit(server.port, tally))
    watcher = asyncio.create_task(watch(server, tally, count=len(numbers)))
    await asyncio.gather(*(send_all(server.port, drafts, tally) for _ in range(CLIENTS)))
    memory = await watcher
    visitor.cancel()
    deadline = time.monotonic() + HUNG_SECONDS
    # Each thread may keep a connection to PostgreSQL and one to Redis.
    while (still := server.connections()) > idle + WORKERS * 20 and time.monotonic() < deadline:
        await asyncio.sleep(1)
    if still > idle + WORKERS * 20:
        tally.failures.append(f"{still} sockets are open at the end, {idle} were before")
    if server.workers() != workers:
        tally.failures.append("a worker died on the way")
    grown = [after - before for before, after in zip(memory[0], memory[-1], strict=True)]
    if max(grown) > GROWTH_ALLOWED_KIB:
        tally.failures.append(f"workers have grown by {grown} KiB since they were warm")


def complaints(log: Path) -> list[str]:
    """Return the first lines of what the server itself calls an error."""
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
    answer = await exchange(port, call, hangs_up=False)
    token: str = json.loads(answer.partition(b"\r\n\r\n")[2])["token"]
    return token


async def run(server: Server, *, seed: int, numbers: range) -> Tally:
    token = await registered(server.port)
    tally = Tally()
    if len(numbers) > 1:
        await fuzz(server, token=token, seed=seed, numbers=numbers, tally=tally)
        return tally
    draft = hostile_request(seed, numbers[0], token=token)
    say(f"sent: {draft.encoded()[:5000]!r}")
    say(f"came: {await exchange(server.port, draft, hangs_up=False)!r}")
    return tally


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--requests", type=int, default=100_000, help="how many (100000)")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", type=int, metavar="N", help="send the N-th alone, and print it")
    chosen = options.parse_args()
    alone = chosen.only is not None
    numbers = range(chosen.only, chosen.only + 1) if alone else range(chosen.requests)
    prepare()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        tally = asyncio.run(run(server, seed=chosen.seed, numbers=numbers))
        tally.failures += complaints(server.log)
    for status, times in sorted(tally.statuses.items()):
        say(f"{status:>8} {times}")
    for failure, times in Counter(tally.failures).most_common(50):
        say(f"FAILED: {failure} ({times} times)")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
