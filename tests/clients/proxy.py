"""A proxy in front of the site that breaks the responses a test chooses."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Literal, NamedTuple

from benchmarks.servers import wait_until

# "lose" closes the connection instead of responding, "cut" does so in the middle of the body,
# and "hang" delays the response until the test calls `release`.
Fault = Literal["lose", "cut", "hang"]


class Exchange(NamedTuple):
    """A request that the site has answered, whatever the client got of it."""

    method: str
    path: str
    key: str | None
    token: str | None
    status: int
    body: bytes


class FaultyProxy:
    def __init__(self, site_port: int) -> None:
        self.site_port = site_port
        self.exchanges: list[Exchange] = []
        self.faults: list[tuple[str, Fault]] = []
        self.released = Event()
        self.url = ""

    def break_next(self, path: str, fault: Fault, *, times: int = 1) -> None:
        """Break the next responses to requests of this path."""
        self.faults += [(path, fault)] * times

    def release(self) -> None:
        self.released.set()

    def of(self, path: str) -> list[Exchange]:
        """Return the exchanges of this path, without its query and without CORS preflights."""
        return [
            each
            for each in self.exchanges
            if each.path.partition("?")[0] == path and each.method != "OPTIONS"
        ]

    def wait_for(self, path: str, status: int, *, times: int = 1) -> None:
        """Wait until the site has given so many responses with this status."""
        wait_until(
            lambda: [each.status for each in self.of(path)].count(status) >= times,
            what=f"Response {status} of {path}",
        )


@contextmanager
def faulty_proxy(site_port: int) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(site_port)

    class Handler(BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.pass_on
            raise AttributeError(name)

        def pass_on(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            site = HTTPConnection("127.0.0.1", proxy.site_port, timeout=60)
            site.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                site.putheader(name, value)
            try:
                site.endheaders(self.rfile.read(length))
            except ConnectionRefusedError:
                self.send_error(502)
                return
            response = site.getresponse()
            if response.headers.get_content_type() == "text/event-stream":
                self.stream(response)
                site.close()
                return
            body = response.read()
            site.close()
            key, token = self.headers["Idempotency-Key"], self.headers["Authorization"]
            exchange = Exchange(self.command, self.path, key, token, response.status, body)
            fault = self.fault()
            proxy.exchanges.append(exchange)
            if fault == "hang":
                proxy.released.wait(60)
            if fault == "lose":
                return
            self.send_response_only(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            with suppress(ConnectionError):  # the client has stopped waiting
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

        def stream(self, response: HTTPResponse) -> None:
            """Pass on a stream of events as it arrives. Its exchange has no body."""
            proxy.exchanges.append(
                Exchange(self.command, self.path, None, None, response.status, b"")
            )
            self.send_response_only(response.status)
            for name, value in response.headers.items():
                if name.lower() != "transfer-encoding":
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            with suppress(ConnectionError, HTTPException):  # one side has closed it
                self.end_headers()
                while part := response.read1():
                    self.wfile.write(part)

        def fault(self) -> Fault | None:
            for chosen in proxy.faults:
                if chosen[0] == self.path and self.command != "OPTIONS":
                    proxy.faults.remove(chosen)
                    return chosen[1]
            return None

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.release()
            server.shutdown()
            thread.join()
