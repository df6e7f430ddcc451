"""How long logins and resets take for addresses that have an account, and for others.

`make timing` runs it. It prints medians in milliseconds and their ratio; it exits with 1
when one is off by more than a tenth, as then the time tells who has an account.
"""

import http.client
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from benchmarks.own_server import prepare, say, serving

TRIES = 200
TOLERANCE = 0.1


def send(connection: http.client.HTTPConnection, path: str, **body: str) -> tuple[int, float]:
    """Return the status of the answer, and how many milliseconds it took."""
    began = time.perf_counter()
    connection.request(
        "POST", f"/api/auth/{path}", json.dumps(body), {"Content-Type": "application/json"}
    )
    response = connection.getresponse()
    response.read()
    return response.status, (time.perf_counter() - began) * 1000


def compare(
    call: Callable[[str], float], *, known: str, unknown: Iterator[str]
) -> tuple[float, float]:
    """Return both medians. They take turns, so that a busy machine slows both down."""
    times = [(call(known), call(next(unknown))) for _ in range(TRIES)]
    return median(pair[0] for pair in times), median(pair[1] for pair in times)


def strangers() -> Iterator[str]:
    run = time.time_ns()
    return (f"nobody-{run}-{number}@example.com" for number in range(10**9))


def measure(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.connect()
        # Else a body waits 40 ms for the receipt of its head, which hides small differences.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        email = f"lena-{time.time_ns()}@example.com"
        password = "seven seals in the bay"  # noqa: S105 - of nobody
        status, _ = send(connection, "register", name="Lena", email=email, password=password)
        if status != 201:
            raise SystemExit(f"Registering was answered {status}.")
        nobody = strangers()

        def attempt(path: str, wanted: int, address: str, **rest: str) -> float:
            status, milliseconds = send(connection, path, email=address, **rest)
            if status != wanted:
                raise SystemExit(f"{path} was answered {status}, not {wanted}.")
            return milliseconds

        calls = {
            "login": lambda address: attempt("login", 401, address, password="wrong"),  # noqa: S106
            "reset": lambda address: attempt("password/reset", 202, address),
        }
        even = True
        for name, call in calls.items():
            known, unknown = compare(call, known=email, unknown=nobody)
            ratio = known / unknown
            even = even and abs(ratio - 1) <= TOLERANCE
            say(f"{name}: known {known:.1f} ms, unknown {unknown:.1f} ms, ratio {ratio:.3f}")
        return even


def main() -> int:
    prepare()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        return 0 if measure(server.port) else 1


if __name__ == "__main__":
    sys.exit(main())
