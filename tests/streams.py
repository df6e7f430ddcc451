"""A real live process, and a client of its streams."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

from tests.web import web_server

TIMEOUT_SECONDS = 60


class Event(NamedTuple):
    name: str
    id: str
    data: Any


class Stream:
    """An open stream. Reading waits for the next part."""

    def __init__(self, port: int, show_id: int, **headers: str) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        accept = {"Accept": "text/event-stream"}
        connection.request("GET", f"/api/shows/{show_id}/seats/events", headers=accept | names)
        self.response: HTTPResponse = connection.getresponse()
        self.connection = connection

    @property
    def headers(self) -> HTTPMessage:
        return self.response.headers

    def block(self) -> str:
        """Return the next lines up to an empty one; "" at the end of the stream."""
        lines = []
        while line := self.response.readline().decode():
            if line == "\n":
                return "".join(lines)
            lines.append(line)
        assert not lines
        return ""

    def event(self) -> Event:
        """Return the next event, without heartbeats and the time after which to reconnect."""
        while (block := self.block()) == ":\n" or block.startswith("retry:"):
            pass
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        data = json.loads(fields["data"]) if "data" in fields else None
        return Event(fields.get("event", ""), fields.get("id", ""), data)

    def start(self) -> tuple[Event, Event]:
        """Return the first two events."""
        return self.event(), self.event()

    def close(self) -> None:
        # http.client closes the socket of a stream only with its response.
        self.response.close()
        self.connection.close()


@dataclass(frozen=True)
class LiveServer:
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path
    streams: list[Stream] = field(default_factory=list)

    def stream(self, show_id: int, **headers: str) -> Stream:
        stream = Stream(self.port, show_id, **headers)
        self.streams.append(stream)
        return stream

    def close_streams(self) -> None:
        while self.streams:
            self.streams.pop().close()


@contextmanager
def live_server(log: Path, **environment: str) -> Iterator[LiveServer]:
    """Run the live process until the block ends; `environment` adds variables."""
    with web_server(log, by="live", LIVE_CONNECTIONS="50", **environment) as server:
        live = LiveServer(server.port, server.process, log)
        try:
            yield live
        finally:
            live.close_streams()
