"""The site by granian, with what gunicorn.conf.py and the patient worker promise, where it can.

A body is read by the thread that works for its request, at the client's pace and for
as long as it pleases: to be used behind a proxy that takes requests whole.
"""

import logging.config
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from booking_site.environment import exit_if_unfit
from booking_site.observability.logging import logging_config
from booking_site.unwanted_bodies import DRAINED_AT_ONCE, MAX_DRAINED

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Longer than a load balancer keeps an idle connection, if it is told so: granian has one
# limit for idle connections and for heads that arrive, and this is its largest.
HEAD_MILLISECONDS = 60_000
MAX_HEAD = 64 * 1024
CONNECTIONS = 1000  # of a worker, as with gunicorn


class WholeRequests:
    """A WSGI application behind what granian leaves to it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ["SERVER_PROTOCOL"] == "HTTP/1.1" and not _has_one_host(environ):
            start_response("400 Bad Request", [("Connection", "close"), ("Content-Length", "0")])
            return [b""]
        if environ.get("HTTP_HOST") == "":
            del environ["HTTP_HOST"]  # as with HTTP/1.0 there may be none
        if environ.get("HTTP_AUTHORIZATION") == "":
            # What is not ASCII comes as nothing, and nothing would count as not logged in.
            environ["HTTP_AUTHORIZATION"] = "unreadable"
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > MAX_DRAINED:
            start_response = _closing(start_response)
        answer = self._application(environ, start_response)
        if length or "HTTP_TRANSFER_ENCODING" in environ:
            _drain(environ["wsgi.input"])
        return answer


def _has_one_host(environ: dict[str, Any]) -> bool:
    host = environ.get("HTTP_HOST", "")
    return host != "" and "," not in host  # RFC 9112 section 3.2; granian joins repeated fields


def _closing(start_response: Callable[..., Any]) -> Callable[..., Any]:
    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        return start_response(status, [*headers, ("Connection", "close")], *rest)

    return start


def _drain(body: Any) -> None:
    """Read what the site left of a body: granian would end the connection."""
    left = MAX_DRAINED
    while left > 0 and (piece := body.read(DRAINED_AT_ONCE)):
        left -= len(piece)


def load(module: str) -> Application:
    """Return the application that a worker serves; called in the worker."""
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        _forget_the_dead(Path(folder))
    return WholeRequests(import_module(module).application)


def _forget_the_dead(folder: Path) -> None:
    """Remove what only a living worker has, connections for one, of those that this one follows."""
    for gauge in folder.glob("gauge_live*_*.db"):
        if not Path("/proc", gauge.stem.rpartition("_")[2]).exists():
            gauge.unlink(missing_ok=True)


def serve(module: str) -> None:
    exit_if_unfit(os.environ)
    host, port = _address()
    log = logging_config(as_json=os.environ.get("DEVELOPMENT") != "1")
    logging.config.dictConfig(log)
    server = Server(
        module,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=int(os.environ.get("WEB_CONCURRENCY") or 2),
        # A thread holds at most one database connection: not more than DATABASE_POOL_MAX.
        blocking_threads=int(os.environ.get("GUNICORN_THREADS") or 8),
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEAD_MILLISECONDS, max_buffer_size=MAX_HEAD
        ),
        respawn_failed_workers=True,
        # What a deploy waits for requests in flight.
        workers_kill_timeout=int(os.environ.get("GUNICORN_GRACEFUL_SECONDS") or 25),
        log_dictconfig=log,
    )
    folder = _metrics_folder()
    try:
        server.serve(target_loader=load)
    finally:
        if folder:
            with suppress(OSError):
                shutil.rmtree(folder)


def _address() -> tuple[str, int]:
    """Return where to listen: as gunicorn, on BIND, or with PORT on every address."""
    if bind := os.environ.get("BIND"):
        host, _, port = bind.rpartition(":")
        if not host or not port.isdecimal():
            sys.exit("granian needs a BIND such as 127.0.0.1:8000.")
        return host, int(port)
    if port := os.environ.get("PORT", ""):
        return "0.0.0.0", int(port)  # noqa: S104 (whoever sets it wants that)
    return "127.0.0.1", 8000


def _metrics_folder() -> str | None:
    """Name the folder in which the workers keep their numbers, as gunicorn.conf.py does."""
    if not os.environ.get("METRICS_TOKEN"):
        return None
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    folder = tempfile.mkdtemp(prefix="booking-metrics-", dir=memory)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    return folder
