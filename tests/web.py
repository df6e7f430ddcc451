"""A real server on the test database, and a raw connection to talk to it byte by byte."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

from benchmarks.stampede.servers import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """Return DATABASE_URL with the name of the database that this test run made."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))


@contextmanager
def gunicorn(
    log: Path, *, wsgi: str = "booking_site.wsgi", send_buffer: int = 0, **environment: str
) -> Iterator[int]:
    """Serve the site until the block ends; yield the port. `environment` adds variables.

    `send_buffer` is how many bytes of an answer the kernel keeps, of those not read yet.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, log.open("wb") as output:
        if send_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        number = listener.fileno()
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", f"--bind=fd://{number}", wsgi],
            cwd=ROOT,
            env={**os.environ, "PROCESS_ROLE": "web", "WEB_CONCURRENCY": "1", **environment},
            pass_fds=[number],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield listener.getsockname()[1]
        finally:
            server.terminate()
            server.wait(timeout=30)


@dataclass(frozen=True)
class Granian:
    port: int
    process: "subprocess.Popen[bytes]"

    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True


@contextmanager
def granian_process(log: Path, **environment: str) -> Iterator[Granian]:
    """Serve the site by granian until the block ends. `environment` adds variables."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "booking_site.serve"],
            cwd=ROOT,
            env={
                **os.environ,
                "SERVER": "granian",
                "BIND": f"127.0.0.1:{port}",
                "WEB_CONCURRENCY": "1",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        server = Granian(port, process)
        try:
            wait_until(server.listens, what="granian")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def granian(log: Path, **environment: str) -> Iterator[int]:
    with granian_process(log, **environment) as server:
        yield server.port


SERVERS: dict[str, Callable[..., AbstractContextManager[int]]] = {
    "gunicorn": gunicorn,
    "granian": granian,
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes


class Line:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)

    def close(self) -> None:
        self.socket.close()

    def send(self, method: str, raw: bytes) -> Answer:
        """Send the bytes of one request and read one answer."""
        self.socket.sendall(raw)
        with closing(HTTPResponse(self.socket, method=method)) as response:
            response.begin()
            return Answer(response.status, response.headers, response.read())

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request as it is given: only Host, and the length of a body, are added."""
        lines = {"Host": "127.0.0.1", **(headers or {})}
        if body is not None and "Transfer-Encoding" not in lines:
            lines.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        start = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
        return self.send(method, start + (body or b""))
