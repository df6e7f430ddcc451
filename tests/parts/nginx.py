"""Debian's nginx with deploy/nginx.conf in front of one web server with two threads."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from benchmarks import nginx
from catalog.models import Seat, Show
from tests.web import Answer, RawConnection, WebServer, database_url, web_server

MAP_ROUTE = "api/shows/<bigint:show_id>/seats"


def seat_map_path(show: Show) -> str:
    return f"/api/shows/{show.pk}/seats"


@dataclass(frozen=True)
class Proxied:
    """nginx at `port`, and what the web server behind it has logged."""

    port: int
    app: WebServer
    log: Path

    def get(self, path: str, **headers: str) -> Answer:
        with closing(RawConnection(self.port)) as raw:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return raw.call("GET", path, headers=named)

    def requests(self, route: str) -> int:
        """Return how many requests of a route have reached the web server."""
        return self.log.read_text().count(f"route={route} ")


@contextmanager
def serving(tmp_path: Path, *, by: str = "granian", **environment: str) -> Iterator[Proxied]:
    log = tmp_path / "app.log"
    own = {
        "DATABASE_URL": database_url(),
        "NUM_PROXIES": "1",
        "WEB_THREADS": "2",
        "LOCK_TIMEOUT_MS": "500",
        **environment,
    }
    with (
        web_server(log, by=by, **own) as app,
        nginx.serving(f"http://127.0.0.1:{app.port}", log=tmp_path / "nginx.log") as proxy,
    ):
        yield Proxied(proxy.port, app, log)


def book(proxied: Proxied, seat: Seat, token: str) -> Answer:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": uuid4().hex,
    }
    body = json.dumps({"show_id": seat.show_id, "seat_id": seat.pk}).encode()
    with closing(RawConnection(proxied.port)) as raw:
        return raw.call("POST", "/api/bookings", headers=headers, body=body)
