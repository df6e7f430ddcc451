"""A gunicorn worker whose threads never wait for a client.

gunicorn's own threads read a request and write its answer themselves, so a few
clients that send or read a byte now and then occupy all of them, for as long as
they please. Here requests arrive, answers leave and connections end in the one
poll loop; a thread gets a request that is there, and leaves behind what the
kernel does not take of the answer at once.

What an ordinary request costs is kept low: its connection is never taken from
the poller, and the thread that has answered it tells nobody (see
docs/performance.md).
"""

import errno
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http.errors import InvalidHeader
from gunicorn.http.message import Request
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from booking_site.patient_connection import Arrival, Connection, State
from booking_site.request_threads import Threads
from booking_site.unwanted_bodies import MAX_DRAINED, drain, has_body

# From the first byte to the last, of a request and of an answer. Long enough for
# honest clients far away; whoever takes longer is cut off.
ARRIVAL_SECONDS = 10.0
DEPARTURE_SECONDS = 30.0
LINGER_SECONDS = 2.0
# Past this a connection is cut off although a thread is busy with it.
WORK_SECONDS = 120.0

# After a new connection the others of a server have so long to take the next. Connections are
# kept, so a worker that is quick once would do all the work of a proxy, and the others none.
ACCEPT_PAUSE_SECONDS = 0.001

MAX_LEFT_BEHIND_OF_ALL = 64 * 1024 * 1024

# A connection that sends more, or hangs up, is not listened to before its answer has left.
_DEAF = {State.QUEUED, State.WORKING, State.LEAVING}

Callback = Callable[[Connection, Any], None]  # the last is a socket


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn is untyped
    """Told to stop, closes its door at once, then finishes what is in flight.

    gunicorn's own keeps the listening socket open until its last request is
    answered: the kernel queues new connections behind it, which are reset in the
    end. Refused at once, they go to another server.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._conns: set[Connection] = set()
        # Each in the order in which they came to it.
        self._arriving: dict[Connection, None] = {}
        self._leaving: dict[Connection, int] = {}  # bytes of the answer that are left
        self._streaming: set[Connection] = set()
        self._queued: deque[Connection] = deque()
        self._next_look = 0.0
        self._next_accept = 0.0

    def get_thread_pool(self) -> Threads:
        return Threads(self.cfg.threads, self._work)

    def set_accept_enabled(self, enabled: bool) -> None:
        if enabled and time.monotonic() < self._next_accept:
            return  # asked again before each wait
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
            conn = Connection(self.cfg, client, address, listener.getsockname())
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self._conns.add(conn)
        self._next_accept = time.monotonic() + ACCEPT_PAUSE_SECONDS
        self.set_accept_enabled(False)
        self._arrive(conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        pause = self._next_accept - time.monotonic()
        super().wait_for_and_dispatch_events(min(timeout, pause) if pause > 0 else timeout)

    # A request arrives.

    def _arrive(self, conn: Connection) -> None:
        """Begin to read a request, of which something may be there."""
        arrival = conn.arrival = Arrival(conn.parser.unreader.take_buffered())
        if not arrival.data:
            with suppress(OSError):  # the rest comes later, or the next look finds the end
                arrival.data += conn.sock.recv_now()
        if arrival.is_complete():
            self._hand_over(conn)
            return
        conn.state = State.ARRIVING
        self._arriving[conn] = None
        self._watch(conn, EVENT_READ, self._read, ARRIVAL_SECONDS)
        self._judge(conn)

    def _read(self, conn: Connection, _: Any = None) -> None:
        if conn.state in (State.CLOSED, State.LINGERING):  # since the poller looked
            return
        if conn.state in _DEAF:
            self._unwatch(conn)
            self._listen_again(conn)  # if the thread has finished this very moment
            return
        try:
            data = conn.sock.recv_now()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
        elif conn.state is State.IDLE:
            conn.arrival = Arrival(data)
            # Nearly always the whole request is there.
            if conn.arrival.is_complete():
                self._hand_over(conn)
                return
            conn.state = State.ARRIVING
            conn.deadline = time.monotonic() + ARRIVAL_SECONDS
            self._arriving[conn] = None
            self._judge(conn)
        else:
            conn.arrival.data += data
            self._judge(conn)

    def _judge(self, conn: Connection) -> None:
        if conn.arrival.is_complete():
            del self._arriving[conn]
            self._hand_over(conn)
        elif conn.arrival.is_too_large():
            self._refuse(conn, b"431 Request Header Fields Too Large")

    def _hand_over(self, conn: Connection) -> None:
        conn.parser.unreader.unread(conn.arrival.data)
        if conn.arrival.is_streamed:
            conn.state = State.QUEUED
            conn.deadline = time.monotonic() + ARRIVAL_SECONDS
            self._queued.append(conn)
            self._start_streams()
        else:
            self._start(conn)

    def _start(self, conn: Connection) -> None:
        conn.deadline = time.monotonic() + WORK_SECONDS
        conn.state = State.WORKING
        self.tpool.submit(conn)

    def _start_streams(self) -> None:
        while self._queued and len(self._streaming) < max(1, self.cfg.threads // 2):
            conn = self._queued.popleft()
            self._streaming.add(conn)
            self._start(conn)

    # A thread works.

    def _work(self, conn: Connection) -> None:
        try:
            conn.carries_on = self.handle(conn)
        except BaseException:  # SystemExit of an app, for one: the thread is needed further on
            self.log.exception("Error in a thread")
            conn.carries_on = False
        if conn in self._streaming or conn.sock.left or not conn.carries_on or conn.has_more():
            self.method_queue.defer(self._finish, conn)
        else:
            # The usual end. To tell the poll loop would wake it for nothing.
            self._rest(conn)
            if not conn.is_watched:
                self.method_queue.defer(self._listen_again, conn)

    def _rest(self, conn: Connection) -> None:
        patience = self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER
        conn.deadline = time.monotonic() + patience
        conn.state = State.IDLE  # last, as the poll loop may now go on with it

    def handle_request(self, req: Request, conn: Connection) -> bool:
        fields = [name for name, _ in req.headers]
        if req.version >= (1, 1) and fields.count("HOST") != 1:
            raise InvalidHeader("HOST", req=req)  # RFC 9112 section 3.2
        if int(dict(req.headers).get("CONTENT-LENGTH", 0)) > MAX_DRAINED:
            req.force_close()  # and the answer says so
        conn.sock.cork()
        try:
            carries_on: bool = super().handle_request(req, conn)
        finally:
            conn.sock.uncork()
        return carries_on

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        if not keepalive:
            return False
        if has_body(conn.parser.mesg) and not drain(conn.parser.mesg.body):
            return False
        conn.parser.mesg = None  # else its body would be looked for again
        return True

    # Its answer leaves.

    def _finish(self, conn: Connection) -> None:
        self._streaming.discard(conn)
        self._start_streams()
        if not conn.sock.left:
            self._after_answer(conn)
            return
        conn.state = State.LEAVING
        self._leaving[conn] = len(conn.sock.left)
        self._watch(conn, EVENT_WRITE, self._send_rest, DEPARTURE_SECONDS)
        while sum(self._leaving.values()) > MAX_LEFT_BEHIND_OF_ALL:
            self._drop(next(iter(self._leaving)))

    def _send_rest(self, conn: Connection, _: Any) -> None:
        if conn.state is not State.LEAVING:
            return
        try:
            conn.sock.flush()
        except OSError:
            self._drop(conn)
            return
        self._leaving[conn] = len(conn.sock.left)
        if not conn.sock.left:
            del self._leaving[conn]
            self._unwatch(conn)
            self._after_answer(conn)

    def _after_answer(self, conn: Connection) -> None:
        if not conn.carries_on:
            self._linger(conn)
        elif conn.has_more():
            self._arrive(conn)
        else:
            self._rest(conn)
            self._listen_again(conn)

    def _listen_again(self, conn: Connection) -> None:
        if conn.state is State.IDLE and not conn.is_watched:
            self._register(conn, EVENT_READ, self._read)

    # The connection ends.

    def _linger(self, conn: Connection) -> None:
        """Say goodbye, and wait for the client to do so, or it might lose the answer."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
        else:
            conn.state = State.LINGERING
            self._watch(conn, EVENT_READ, self._await_end, LINGER_SECONDS)

    def _await_end(self, conn: Connection, _: Any) -> None:
        if conn.state is State.CLOSED:
            return
        try:
            if conn.sock.recv_now():
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(conn)

    def _refuse(self, conn: Connection, status: bytes) -> None:
        self._forget(conn)
        try:
            conn.sock.sendall(
                b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
        except OSError:
            self._close(conn)
        else:
            self._linger(conn)

    def _drop(self, conn: Connection) -> None:
        self._forget(conn)
        self._close(conn)

    def _forget(self, conn: Connection) -> None:
        if conn.state is State.QUEUED:
            self._queued.remove(conn)
        self._arriving.pop(conn, None)
        self._leaving.pop(conn, None)

    def _close(self, conn: Connection) -> None:
        if conn.is_watched:
            self._unwatch(conn)
        conn.state = State.CLOSED
        self._conns.discard(conn)
        self.nr_conns -= 1
        conn.close()

    # Nobody takes for ever.

    def _watch(self, conn: Connection, events: int, callback: Callback, seconds: float) -> None:
        conn.deadline = time.monotonic() + seconds
        self._register(conn, events, callback)

    def _register(self, conn: Connection, events: int, callback: Callback) -> None:
        change = self.poller.modify if conn.is_watched else self.poller.register
        change(conn.sock, events, partial(callback, conn))
        conn.is_watched = True

    def _unwatch(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        conn.is_watched = False

    def _cap_keepalive(self, deadline: float) -> None:
        for conn in self._conns:
            silent = conn.state is State.ARRIVING and not conn.arrival.data
            if silent or conn.state is State.IDLE:
                conn.deadline = min(conn.deadline, deadline)

    def murder_pending(self) -> None:
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + 1
        if not self.alive:
            self._cap_keepalive(now + STOP_KEEPALIVE_LINGER)
        for conn in [conn for conn in self._conns if conn.deadline <= now]:
            self._end_patience(conn)

    def _make_room(self) -> None:
        """Drop who has been at it for longest, and no thread works for, for who comes next."""
        if len(self._arriving) > 1:  # the last has just come
            self._drop(next(iter(self._arriving)))
        elif waiting := self._queued or self._leaving:
            self._drop(next(iter(waiting)))
        elif idle := [conn for conn in self._conns if conn.state is State.IDLE]:
            self._drop(min(idle, key=lambda conn: conn.deadline))

    def _end_patience(self, conn: Connection) -> None:
        if conn.state is State.ARRIVING and conn.arrival.data:
            self._refuse(conn, b"408 Request Timeout")
        elif conn.state is State.QUEUED:
            self._refuse(conn, b"503 Service Unavailable")
        elif conn.state is State.WORKING:  # The thread is told that nobody is there any more.
            conn.deadline = float("inf")
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)
        else:
            self._drop(conn)
