"""A connection that no thread waits for: what has come of a request, what is left of an answer."""

import errno
import re
import socket
import struct
from enum import Enum, auto
from typing import Any

from gunicorn.workers.gthread import TConn

# What a thread that reads a body itself waits for the next bytes of it.
STALL_SECONDS = 10.0

MAX_HEAD = 64 * 1024
# A larger body, or one of unknown length, is read by a thread; at most half of
# the threads do that at the same time.
MAX_COLLECTED_BODY = 512 * 1024
# Of one answer; what is more is written by the thread.
MAX_LEFT_BEHIND = 4 * 1024 * 1024
RECEIVED_AT_ONCE = 64 * 1024

# Of a head in lower case: to look for both cases takes ten times as long.
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")


class PatientSocket:
    """A client's socket whose `sendall` does not wait, but leaves the rest in `left`.

    The socket itself stays blocking: calls that must not wait say so each time,
    which costs no call of the system as changing the socket does.
    """

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._held: bytes | None = None
        self._is_corked = False
        self.left = bytearray()
        self.fileno = plain.fileno
        plain.setblocking(True)
        # Python's own timeout would make `_send` wait, too.
        stall = struct.pack("ll", *divmod(int(STALL_SECONDS * 1_000_000), 1_000_000))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, stall)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def setblocking(self, flag: bool) -> None:
        """Do nothing: see above."""

    def recv(self, size: int) -> bytes:
        try:
            return self._plain.recv(size)
        except BlockingIOError as error:
            # For the thread it is as if the client had gone.
            raise ConnectionResetError(errno.ECONNRESET, "The client stalled") from error

    def recv_now(self) -> bytes:
        """Return what is there, b"" at the end. Raise BlockingIOError when nothing is, OSError."""
        return self._plain.recv(RECEIVED_AT_ONCE, socket.MSG_DONTWAIT)

    def cork(self) -> None:
        """Keep the next piece back until one more comes, as a head goes out with its body."""
        self._is_corked = True

    def uncork(self) -> None:
        self._is_corked = False
        if self._held is not None:
            held, self._held = self._held, None
            self.sendall(held)

    def sendall(self, data: bytes) -> None:
        if self._is_corked:
            self._is_corked = False
            self._held = data
            return
        if self._held is not None:
            data = self._held + data
            self._held = None
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


class State(Enum):
    IDLE = auto()  # between two requests
    ARRIVING = auto()
    QUEUED = auto()  # a thread is to read its body, and too many do that already
    WORKING = auto()  # a thread has it
    LEAVING = auto()  # of its answer something is left
    LINGERING = auto()  # all has been said, and the client is to hang up
    CLOSED = auto()


class Connection(TConn):  # type: ignore[misc] # gunicorn is untyped
    """gunicorn's, and what is going on with it.

    While a thread works for it, it belongs to the thread, which hands it back by
    setting `state`; else it belongs to the poll loop.
    """

    def __init__(self, cfg: Any, client: socket.socket, address: Any, server: Any) -> None:
        super().__init__(cfg, client, address, server)
        self.sock = PatientSocket(client)
        self.init()
        self.data_ready = True
        self.state = State.ARRIVING
        self.arrival = Arrival(b"")
        self.deadline = 0.0  # of what goes on, by time.monotonic()
        self.is_watched = False  # by the poller
        self.carries_on = False  # after its answer

    def has_more(self) -> bool:
        """Tell whether something of the next request has been read already."""
        return bool(self.parser.unreader.buf.getbuffer().nbytes)
