"""A gunicorn worker whose threads never wait for a client.

gunicorn's own threads read a request and write its answer themselves, so a few
clients that send or read a byte now and then occupy all of them, for as long as
they please. Here requests arrive, answers leave and connections end in the one
poll loop; a thread gets a request that is there, and leaves behind what the
kernel does not take of the answer at once.
"""

import errno
import re
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.errors import InvalidHeader
from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

# From the first byte to the last, of a request and of an answer. Long enough for
# honest clients far away; whoever takes longer is cut off.
ARRIVAL_SECONDS = 10.0
DEPARTURE_SECONDS = 30.0
LINGER_SECONDS = 2.0
# What a thread that reads a body itself waits for the next bytes of it.
STALL_SECONDS = 10.0
# What it waits, when the request has been answered, for the rest of a body nobody wanted.
DRAIN_SECONDS = 10.0
# Past this a connection is cut off although a thread is busy with it.
WORK_SECONDS = 120.0

MAX_HEAD = 64 * 1024
# A larger body, or one of unknown length, is read by a thread; at most half of
# the threads do that at the same time.
MAX_COLLECTED_BODY = 512 * 1024
# Of a body that the app did not want, so that the connection can carry the next request.
MAX_DRAINED = 8 * 1024 * 1024
# Of one answer; what is more is written by the thread.
MAX_LEFT_BEHIND = 4 * 1024 * 1024
MAX_LEFT_BEHIND_OF_ALL = 64 * 1024 * 1024
RECEIVED_AT_ONCE = 64 * 1024

# Of a head in lower case: to look for both cases takes ten times as long.
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")

Callback = Callable[[Any, Any], None]  # connection, socket


class PatientSocket:
    """A client's socket whose `sendall` does not wait, but leaves the rest in `left`."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self.left = bytearray()
        # Python's own timeout would make `_send` wait, too.
        stall = struct.pack("ll", *divmod(int(STALL_SECONDS * 1_000_000), 1_000_000))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, stall)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def recv(self, size: int) -> bytes:
        try:
            return self._plain.recv(size)
        except BlockingIOError as error:
            if not self._plain.getblocking():
                raise
            # For the thread it is as if the client had gone.
            raise ConnectionResetError(errno.ECONNRESET, "The client stalled") from error

    def recv_now(self) -> bytes:
        """Return what is there, b"" at the end. Raise BlockingIOError when nothing is, OSError."""
        return self._plain.recv(RECEIVED_AT_ONCE, socket.MSG_DONTWAIT)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        if len(self.left) + len(view) > MAX_LEFT_BEHIND:
            # Too much to keep: this one is written at the client's pace.
            self._plain.sendall(self.left)
            self.left.clear()
            self._plain.sendall(view)
            return
        if not self.left:
            view = view[self._send(view) :]
        self.left += view

    def flush(self) -> None:
        """Send as much of what is left as the kernel takes. Raise OSError."""
        del self.left[: self._send(memoryview(self.left)[:RECEIVED_AT_ONCE])]

    def _send(self, data: memoryview) -> int:
        try:
            return self._plain.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0


class Arrival:
    """What has come of a request so far."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.is_streamed = False
        self._needed = 0  # bytes in all, known once the head is there

    def is_complete(self) -> bool:
        """Tell whether a thread can read the request without waiting, unless it is streamed."""
        if not self._needed and not self._read_head():
            return False
        return self.is_streamed or len(self.data) >= self._needed

    def is_too_large(self) -> bool:
        return not self._needed and len(self.data) > MAX_HEAD

    def _read_head(self) -> bool:
        end = self.data.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            return False
        head = bytes(self.data[: end + 2]).lower()
        found = _CONTENT_LENGTH.search(head)
        length = int(found[1]) if found else 0
        # The length is unknown, or the client waits for a sign before it sends the body.
        special = b"\r\ntransfer-encoding:" in head or b"\r\nexpect:" in head
        self.is_streamed = length > MAX_COLLECTED_BODY or special
        self._needed = end + 4 + length
        return True


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn is untyped
    """Told to stop, closes its door at once, then finishes what is in flight.

    gunicorn's own keeps the listening socket open until its last request is
    answered: the kernel queues new connections behind it, which are reset in the
    end. Refused at once, they go to another server.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[TConn, Arrival] = {}
        self._leaving: dict[TConn, int] = {}  # bytes of the answer that are left
        self._deadlines: dict[TConn, float] = {}
        self._streaming: set[TConn] = set()
        self._streams_waiting: deque[TConn] = deque()
        self._next_look = 0.0

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    # A request arrives. gunicorn calls this for new connections and for kept ones.

    def enqueue_req(self, conn: TConn) -> None:
        if not conn.initialized:
            conn.sock = PatientSocket(conn.sock)
            conn.init()
            conn.data_ready = True
        arrival = Arrival(conn.parser.unreader.take_buffered())
        if not arrival.data:
            with suppress(OSError):  # the rest comes later, or the next look finds the end
                arrival.data += conn.sock.recv_now()
        # Nearly always the whole request is there: watching the connection for more would
        # cost two calls of the system.
        if arrival.is_complete():
            self._hand_over(conn, arrival)
            return
        conn.sock.setblocking(False)
        self._arriving[conn] = arrival
        self._watch(conn, selectors.EVENT_READ, self._receive, ARRIVAL_SECONDS)
        self._judge(conn)

    def _receive(self, conn: TConn, _: Any = None) -> None:
        try:
            data = conn.sock.recv_now()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        self._arriving[conn].data += data
        self._judge(conn)

    def _judge(self, conn: TConn) -> None:
        arrival = self._arriving[conn]
        if arrival.is_complete():
            self._unwatch(conn)
            del self._arriving[conn]
            self._hand_over(conn, arrival)
        elif arrival.is_too_large():
            self._refuse(conn, b"431 Request Header Fields Too Large")

    def _hand_over(self, conn: TConn, arrival: Arrival) -> None:
        conn.parser.unreader.unread(bytes(arrival.data))
        if arrival.is_streamed:
            self._streams_waiting.append(conn)
            self._deadlines[conn] = time.monotonic() + ARRIVAL_SECONDS
            self._start_streams()
        else:
            self._start(conn)

    def _start(self, conn: TConn) -> None:
        self._deadlines[conn] = time.monotonic() + WORK_SECONDS
        super().enqueue_req(conn)

    def _start_streams(self) -> None:
        while self._streams_waiting and len(self._streaming) < max(1, self.cfg.threads // 2):
            conn = self._streams_waiting.popleft()
            self._streaming.add(conn)
            self._start(conn)

    def handle_request(self, req: Request, conn: TConn) -> bool:
        fields = [name for name, _ in req.headers]
        if req.version >= (1, 1) and fields.count("HOST") != 1:
            raise InvalidHeader("HOST", req=req)  # RFC 9112 section 3.2
        if int(dict(req.headers).get("CONTENT-LENGTH", 0)) > MAX_DRAINED:
            req.force_close()  # and the answer says so
        carries_on: bool = super().handle_request(req, conn)
        return carries_on

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        deadline = time.monotonic() + DRAIN_SECONDS
        # One more, as gunicorn gives up at the limit and not past it.
        return keepalive and bool(conn.parser.finish_body(deadline, MAX_DRAINED + 1))

    # Its answer leaves.

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        self._deadlines.pop(conn, None)
        self._streaming.discard(conn)
        self._start_streams()
        if not conn.sock.left:
            self._after_answer(conn, fs)
            return
        conn.sock.setblocking(False)
        self._leaving[conn] = len(conn.sock.left)
        self._watch(conn, selectors.EVENT_WRITE, partial(self._send_rest, fs=fs), DEPARTURE_SECONDS)
        while sum(self._leaving.values()) > MAX_LEFT_BEHIND_OF_ALL:
            self._drop(next(iter(self._leaving)))

    def _send_rest(self, conn: TConn, _: Any, *, fs: "Future[Any]") -> None:
        try:
            conn.sock.flush()
        except OSError:
            self._drop(conn)
            return
        self._leaving[conn] = len(conn.sock.left)
        if not conn.sock.left:
            del self._leaving[conn]
            self._unwatch(conn)
            self._after_answer(conn, fs)

    def _after_answer(self, conn: TConn, fs: "Future[Any]") -> None:
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._linger(conn)

    # The connection ends.

    def _linger(self, conn: TConn) -> None:
        """Say goodbye, and wait for the client to do so, or it might lose the answer."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            self._close(conn)
        else:
            self._watch(conn, selectors.EVENT_READ, self._await_end, LINGER_SECONDS)

    def _await_end(self, conn: TConn, _: Any) -> None:
        try:
            if conn.sock.recv(RECEIVED_AT_ONCE):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(conn)

    def _refuse(self, conn: TConn, status: bytes) -> None:
        self._forget(conn)
        try:
            conn.sock.sendall(
                b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
        except OSError:
            self._close(conn)
        else:
            self._linger(conn)

    def _drop(self, conn: TConn) -> None:
        self._forget(conn)
        self._close(conn)

    def _forget(self, conn: TConn) -> None:
        if conn in self._streams_waiting:
            self._streams_waiting.remove(conn)
            del self._deadlines[conn]
        else:
            self._arriving.pop(conn, None)
            self._leaving.pop(conn, None)
            self._unwatch(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    # Nobody takes for ever.

    def _watch(self, conn: TConn, events: int, callback: Callback, seconds: float) -> None:
        self.poller.register(conn.sock, events, partial(callback, conn))
        self._deadlines[conn] = time.monotonic() + seconds

    def _unwatch(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        del self._deadlines[conn]

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn, arrival in self._arriving.items():
            if not arrival.data:
                self._deadlines[conn] = min(self._deadlines[conn], deadline)

    def murder_pending(self) -> None:
        super().murder_pending()
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + 1
        for conn in [conn for conn, deadline in self._deadlines.items() if deadline <= now]:
            self._end_patience(conn)

    def _make_room(self) -> None:
        """Drop who has been at it for longest, and no thread works for, for who comes next."""
        if len(self._arriving) > 1:  # the last has just come
            self._drop(next(iter(self._arriving)))
        elif waiting := self._streams_waiting or self._leaving:
            self._drop(next(iter(waiting)))
        elif self.keepalived_conns:
            idle = self.keepalived_conns.popleft()
            self.poller.unregister(idle.sock)
            self._close(idle)

    def _end_patience(self, conn: TConn) -> None:
        if conn in self._arriving:
            if self._arriving[conn].data:
                self._refuse(conn, b"408 Request Timeout")
            else:
                self._drop(conn)
        elif conn in self._streams_waiting:
            self._refuse(conn, b"503 Service Unavailable")
        elif conn.sock.fileno() in self.poller.get_map():
            self._drop(conn)
        else:  # A thread waits for it, and is told that nobody is there any more.
            del self._deadlines[conn]
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)
