"""Serves a client of the API from another origin than the API's."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

# The port of Vite's development server, whose origin CORS allows in development.
PORT = 5173


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def client_site(directory: Path) -> Iterator[str]:
    """Serve the files of a directory until the block ends; yield the address of its index."""
    handler = partial(QuietHandler, directory=str(directory))
    with ThreadingHTTPServer(("localhost", PORT), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{PORT}/"
        server.shutdown()
        thread.join()
