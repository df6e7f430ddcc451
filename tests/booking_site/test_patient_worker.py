"""Clients that send or read a byte now and then, against one worker with two threads."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from pathlib import Path
from selectors import DefaultSelector
from threading import Timer
from types import SimpleNamespace

import pytest

from booking_site import patient_connection, patient_worker
from booking_site.patient_connection import PatientSocket, State
from booking_site.patient_worker import ACCEPT_PAUSE_SECONDS, Worker
from tests.web import Line, database_url, gunicorn

CROWD = 60  # thirty times as many as there are threads
PLACES = 20  # at a server that is soon full
SCRIPT = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
LOGIN = b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def serve(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., int]]:
    with ExitStack() as servers:

        def start(arguments: str = "") -> int:
            log: Path = tmp_path_factory.mktemp("patient") / "gunicorn.log"
            return servers.enter_context(
                gunicorn(
                    log,
                    send_buffer=16 * 1024,
                    DATABASE_URL=database_url(),
                    GUNICORN_THREADS="2",
                    GUNICORN_CMD_ARGS=arguments,
                )
            )

        yield start


@pytest.fixture(scope="module")
def port(serve: Callable[..., int]) -> int:
    return serve()


@pytest.fixture(scope="module")
def narrow_port(serve: Callable[..., int]) -> int:
    """A server with room for a few connections."""
    return serve(f"--worker-connections={PLACES}")


@pytest.fixture(scope="module")
def hasty_port(serve: Callable[..., int]) -> int:
    """A server that waits for a third of a second."""
    return serve("--config=tests/booking_site/hasty_gunicorn.py")


def connect(port: int, start: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(start)
    return client


def everything_from(client: socket.socket) -> bytes:
    with client.makefile("rb") as stream:
        return stream.read()


def answers(port: int) -> bool:
    """Tell whether somebody who does nothing wrong is served."""
    with closing(Line(port)) as line:
        return line.call("GET", "/livez").status == 200


STARTS = [
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
    pytest.param(b"\r\n\r\n", id="blank lines"),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id="idle after a request"),
]


@pytest.mark.parametrize("start", STARTS)
def test_slow_senders_occupy_no_thread(port: int, start: bytes) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(connect(port, start))
        assert answers(port)


@pytest.mark.parametrize("start", STARTS)
def test_a_full_server_makes_room_for_who_comes_next(narrow_port: int, start: bytes) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(connect(narrow_port, start))
        assert answers(narrow_port)


def slow_reader(port: int) -> socket.socket:
    """Ask for a long answer, and take its first byte."""
    reader = socket.socket()
    reader.settimeout(30)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    reader.sendall(f"GET {SCRIPT} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert reader.recv(1) == b"H"
    return reader


def test_slow_readers_occupy_no_thread(port: int) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(slow_reader(port))
        assert answers(port)
        # Patient readers get everything in the end.
        with closing(Line(port)) as line:
            whole = line.call("GET", SCRIPT)
        assert len(whole.body) == int(whole.headers["Content-Length"]) > 1_000_000


def test_a_full_server_drops_its_slowest_reader(narrow_port: int) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(slow_reader(narrow_port))
        assert answers(narrow_port)


def test_nobody_sends_or_reads_for_ever(hasty_port: int) -> None:
    with (
        slow_reader(hasty_port) as reader,
        connect(hasty_port) as silent,
        connect(hasty_port, b"GET /livez HT") as slow,
    ):
        assert everything_from(slow).startswith(b"HTTP/1.1 408 ")
        assert everything_from(silent) == b""
        # It has been at it for longer, and did not get all.
        assert len(everything_from(reader)) < 1_000_000


def test_who_stalls_within_a_large_body_is_cut_off_and_who_waits_behind_is_told(
    hasty_port: int,
) -> None:
    large = LOGIN + b"Content-Length: 5000000\r\n\r\n{"
    with connect(hasty_port, large) as first, connect(hasty_port, large) as second:
        assert everything_from(second).startswith(b"HTTP/1.1 503 ")
        # It was told at once that this is too much, and given a while to send the rest.
        assert everything_from(first).startswith(b"HTTP/1.1 413 ")


def test_a_thread_waits_for_the_next_bytes_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patient_connection, "STALL_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    hanging_up = Timer(10, theirs.shutdown, [socket.SHUT_RDWR])  # else a failure would hang
    with ours, theirs:
        patient = PatientSocket(ours)
        theirs.sendall(b"ab")
        assert patient.recv(10) == b"ab"
        hanging_up.start()
        with pytest.raises(ConnectionResetError):
            patient.recv(10)
        hanging_up.cancel()


def test_who_never_sends_what_a_thread_asked_for_is_cut_off(hasty_port: int) -> None:
    expecting = LOGIN + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    with connect(hasty_port, expecting) as client:
        assert everything_from(client) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_who_was_answered_does_not_keep_a_thread_with_the_rest_of_a_body(port: int) -> None:
    with connect(port, LOGIN + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n") as client:
        assert everything_from(client).startswith(b"HTTP/1.1 411 ")


@pytest.mark.django_db  # else there would be no tables
def test_a_request_may_arrive_byte_by_byte(port: int) -> None:
    body = b'{"email": "nobody@example.com"}'
    request = LOGIN + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with closing(Line(port)) as line:
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request[:-1]:
            line.socket.sendall(bytes([byte]))
        answer = line.send("POST", request[-1:])
    assert (answer.status, b'"password"' in answer.body) == (400, True)


def test_what_comes_after_goodbye_is_not_read_as_a_request() -> None:
    """Said in the very moment between the poller's look and the reading; it ended the worker."""
    for state in (State.LINGERING, State.CLOSED):
        conn = SimpleNamespace(state=state)  # with nothing that could be read
        Worker._read(SimpleNamespace(), conn)
        assert conn.state is state


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


def test_after_a_connection_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the quickest worker would take all connections of a proxy, and keep them."""
    now = [100.0]
    monkeypatch.setattr(patient_worker, "time", SimpleNamespace(monotonic=lambda: now[0]))
    worker = Worker.__new__(Worker)
    vars(worker).update(alive=True, cfg=None, nr_conns=0, _conns=set(), _next_accept=0.0)
    monkeypatch.setattr(patient_worker, "Connection", lambda *facts: facts)
    monkeypatch.setattr(worker, "_arrive", lambda conn: conn[1].close())
    waited: list[float] = []
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        poller = stack.enter_context(DefaultSelector())
        vars(worker).update(sockets=[listener], poller=poller, _accepting=False)
        monkeypatch.setattr(
            worker,
            "poller",
            SimpleNamespace(
                register=poller.register,
                unregister=poller.unregister,
                select=lambda timeout: waited.append(timeout) or poller.select(0),
            ),
        )
        for _ in range(2):
            stack.enter_context(socket.create_connection(listener.getsockname()))

        def turn() -> int:
            worker.set_accept_enabled(True)
            worker.wait_for_and_dispatch_events(timeout=1.0)
            return worker.nr_conns

        assert (turn(), turn()) == (1, 1)
        now[0] += ACCEPT_PAUSE_SECONDS
        assert turn() == 2
    assert waited == [1.0, pytest.approx(ACCEPT_PAUSE_SECONDS), 1.0]
