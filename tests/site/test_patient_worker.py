"""Clients that send or read a byte now and then, against one worker with two threads."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.web import Line, database_url, gunicorn

CROWD = 60  # thirty times as many as there are threads
LOGIN = b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    log: Path = tmp_path_factory.mktemp("patient") / "gunicorn.log"
    with gunicorn(log, DATABASE_URL=database_url(), GUNICORN_THREADS="2") as number:
        yield number


def answers(port: int) -> bool:
    """Tell whether somebody who does nothing wrong is served."""
    with closing(Line(port)) as line:
        return line.call("GET", "/livez").status == 200


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"GET /livez HT", id="half a request line"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b", id="half a head"),
        pytest.param(LOGIN + b"Content-Length: 90\r\n\r\n{", id="half a body"),
        pytest.param(LOGIN + b"Content-Length: 5000000\r\n\r\n{", id="little of a huge body"),
        pytest.param(LOGIN + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", id="half a chunk"),
        pytest.param(LOGIN + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", id="expecting"),
        pytest.param(
            b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            id="never hanging up",
        ),
        pytest.param(
            b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /livez HT", id="half a second one"
        ),
    ],
)
def test_slow_senders_occupy_no_thread(port: int, start: bytes) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            sender = crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
            sender.sendall(start)
        assert answers(port)


def test_slow_readers_occupy_no_thread(port: int) -> None:
    script = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    with ExitStack() as crowd:
        for _ in range(CROWD):
            reader = crowd.enter_context(closing(socket.socket()))
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", port))
            reader.sendall(f"GET {script} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert reader.recv(1) == b"H"
        assert answers(port)
        # Patient readers get everything in the end.
        with closing(Line(port)) as line:
            whole = line.call("GET", script)
        assert len(whole.body) == int(whole.headers["Content-Length"]) > 1_000_000


def test_a_request_may_arrive_byte_by_byte(port: int) -> None:
    body = b'{"email": "nobody@example.com", "password": "x"}'
    request = LOGIN + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with closing(Line(port)) as line:
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request[:-1]:
            line.socket.sendall(bytes([byte]))
        assert line.send("POST", request[-1:]).status == 401


def test_requests_may_come_in_one_piece(port: int) -> None:
    with closing(Line(port)) as line:
        line.socket.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3)
        with line.socket.makefile("rb") as stream:
            text = b""
            while text.count(b'{"status": "alive"}') < 3:
                text += stream.read1()
        assert text.count(b"HTTP/1.1 200 OK") == 3


def test_a_body_that_the_client_offers_first_is_asked_for(port: int) -> None:
    with closing(Line(port)) as line:
        line.socket.sendall(LOGIN + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert line.socket.recv(100).startswith(b"HTTP/1.1 100")
        assert line.send("POST", b"{}").status == 400


def test_a_head_without_end_is_refused(port: int) -> None:
    with closing(Line(port)) as line:
        line.socket.sendall(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 9000)
        with closing(HTTPResponse(line.socket)) as response:
            response.begin()
            assert response.status == 431
