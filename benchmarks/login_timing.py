"""Measures whether the time of a login or a password reset reveals who has an account.

`make timing` compares addresses with and without an account. It prints medians in
milliseconds and their ratio, and exits with 1 when a ratio is off by more than a tenth.
"""

import http.client
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from benchmarks.servers import development, seed_demo, serving

TRIES = 200
# So that no account has as many failed logins as slow it.
ACCOUNTS = TRIES // 40
TOLERANCE = 0.1


def send(connection: http.client.HTTPConnection, path: str, **body: str) -> tuple[int, float]:
    """Return the status and the milliseconds until the answer."""
    began = time.perf_counter()
    connection.request(
        "POST", f"/api/auth/{path}", json.dumps(body), {"Content-Type": "application/json"}
    )
    response = connection.getresponse()
    response.read()
    return response.status, (time.perf_counter() - began) * 1000


def compare(
    call: Callable[[str], float], *, known: Iterable[str], unknown: Iterable[str]
) -> tuple[float, float]:
    """Return both medians. The calls take turns, so that a busy machine slows both down.

    Each of the two goes first in half of the pairs: the second call of a pair can be slower.
    """
    times: dict[bool, list[float]] = {True: [], False: []}
    pairs = islice(zip(cycle(known), cycle(unknown), strict=True), TRIES)
    for number, (one, other) in enumerate(pairs):
        calls = [(True, one), (False, other)]
        for is_known, address in calls if number % 2 else reversed(calls):
            times[is_known].append(call(address))
    return median(times[True]), median(times[False])


def measure(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.connect()
        # Otherwise a body waits for the acknowledgement of its head, which hides differences.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        known, unknown = (
            [f"{name}-{time.time_ns()}-{number}@example.com" for number in range(ACCOUNTS)]
            for name in ("lena", "nobody")
        )
        password = "seven seals in the bay"  # noqa: S105 - of accounts made here
        for email in known:
            status, _ = send(connection, "register", name="Lena", email=email, password=password)
            if status != 201:
                raise SystemExit(f"POST register returned {status}.")

        def attempt(path: str, wanted: int, address: str, **rest: str) -> float:
            status, milliseconds = send(connection, path, email=address, **rest)
            if status != wanted:
                raise SystemExit(f"POST {path} returned {status}, not {wanted}.")
            return milliseconds

        calls = {
            "login": lambda address: attempt("login", 401, address, password="wrong"),  # noqa: S106
            "reset": lambda address: attempt("password/reset", 202, address),
        }
        is_even = True
        for name, call in calls.items():
            one, other = compare(call, known=known, unknown=unknown)
            ratio = one / other
            is_even = is_even and abs(ratio - 1) <= TOLERANCE
            print(f"{name}: known {one:.1f} ms, unknown {other:.1f} ms, ratio {ratio:.3f}")
        return is_even


def main() -> int:
    seed_demo()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(environment=development(), log=Path(folder) / "site.log") as app,
    ):
        return 0 if measure(app.port) else 1


if __name__ == "__main__":
    sys.exit(main())
