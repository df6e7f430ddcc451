"""A real server on the test database, and a raw connection to talk to it byte by byte."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
from django.db import connection

from benchmarks.servers import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """Return DATABASE_URL with the name of the test database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))


@dataclass(frozen=True)
class WebServer:
    port: int
    process: "subprocess.Popen[bytes]"

    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]


@contextmanager
def web_server(
    log: Path,
    *,
    by: str = "granian",
    wsgi: str = "booking_site.wsgi",
    port: int | None = None,
    **environment: str,
) -> Iterator[WebServer]:
    """Serve the site by granian or gunicorn until the block ends; `environment` adds variables.

    With `by="live"`, serve its live seats. Requests wait until a worker is ready.
    """
    port = port or free_port()
    command = {
        "granian": ["deploy/serve", f"{wsgi}:application"],
        "gunicorn": [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{port}", wsgi],
        "live": ["deploy/serve-live"],
    }[by]
    variable = "LIVE_PORT" if by == "live" else "PORT"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, variable: str(port), "WEB_CONCURRENCY": "1", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        server = WebServer(port, process)
        try:
            wait_until(server.listens, what=by)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=40)


SERVERS = ("granian", "gunicorn")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes


class RawConnection:
    """A persistent connection that sends raw bytes."""

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
        """Send a request, adding only Host, and Content-Length for a body."""
        lines = {"Host": "127.0.0.1", **(headers or {})}
        if body is not None and "Transfer-Encoding" not in lines:
            lines.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        start = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
        return self.send(method, start + (body or b""))
