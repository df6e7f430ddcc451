"""An HTTP client that records every request and answer in the journal.

`http.client` never repeats a request by itself, so the journal is exact.
"""

import itertools
import json
import random
import select
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from benchmarks.stampede.journal import Journal, is_settled
from benchmarks.stampede.plan import Account

# Longer than a server may wait for locks.
PATIENCE_SECONDS = 20
STATE_LETTERS = {"available": "a", "held": "h", "booked": "b", "blocked": "x"}


@dataclass(frozen=True, slots=True)
class Request:
    """`op` names the kind of call in the journal; `key` is the Idempotency-Key."""

    op: str
    method: str
    path: str
    show_id: int | None = None
    key: str | None = None
    body: dict[str, Any] | None = None
    target: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None without an answer; `document` is the parsed body, if it is JSON."""

    status: int | None
    document: Any = None

    @property
    def code(self) -> str | None:
        return self.document.get("code") if isinstance(self.document, dict) else None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and self.status < 300


class Client:
    """Has a connection to each server. Not thread-safe."""

    def __init__(
        self, *, name: str, account: Account, servers: list[str], journal: Journal
    ) -> None:
        self._name = name
        self._account = account
        self._journal = journal
        self._numbers = itertools.count()
        self._connections = [connect_to(address) for address in servers]

    def send(self, request: Request, *, server: int) -> Answer:
        """Send once, and return the answer."""
        call_id = f"{self._name}-{next(self._numbers)}"
        self._journal.write(
            "call",
            id=call_id,
            user=self._account.id,
            op=request.op,
            server=server,
            show_id=request.show_id,
            key=request.key,
            body=request.body,
            target=request.target,
        )
        connection = self._connections[server]
        if _has_ended(connection):
            connection.close()  # the next request opens another
        try:
            connection.request(
                request.method, request.path, self._body(request), self._headers(request)
            )
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException) as error:
            connection.close()
            self._journal.write("answer", id=call_id, error=repr(error))
            return Answer(None)
        document = _parsed(text)
        answer = Answer(response.status, document)
        self._journal.write(
            "answer",
            id=call_id,
            status=response.status,
            code=answer.code,
            reply=_summary(request.op, answer, text),
            replayed=response.headers.get("Idempotency-Replayed") == "true",
            retry_after=response.headers.get("Retry-After"),
        )
        return answer

    def settle(self, request: Request, *, rng: random.Random, until: float) -> Answer:
        """Repeat the request, each time to a random server, until its outcome is known.

        Give up at the monotonic time `until`.
        """
        pause = 0.05
        while True:
            answer = self.send(request, server=rng.randrange(len(self._connections)))
            if is_settled(answer.status, answer.code) or time.monotonic() > until:
                return answer
            time.sleep(pause * rng.uniform(0.5, 1.5))
            pause = min(2 * pause, 1.0)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _body(self, request: Request) -> bytes | None:
        return None if request.body is None else json.dumps(request.body).encode()

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._account.token}"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        return headers


def connect_to(address: str) -> HTTPConnection:
    """Prepare a connection to `http://host:port` or `https://host`."""
    place = urlsplit(address)
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
    return kind(place.hostname or "", place.port, timeout=PATIENCE_SECONDS)


def _has_ended(connection: HTTPConnection) -> bool:
    """Return whether the other side has closed an idle connection."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _summary(op: str, answer: Answer, text: str) -> Any:
    """Return what the checker needs of an answer.

    A purchase is recorded byte for byte, a seat map as one letter per seat.
    """
    document = answer.document
    if not answer.succeeded:
        if not isinstance(document, dict):
            return text[:500]
        return {"seat_ids": document.get("seat_ids"), "detail": document.get("detail")}
    if op == "book":
        return text
    if op in ("hold", "extend"):
        return {
            "id": document["id"],
            "seat_ids": [seat["id"] for seat in document["seats"]],
            "prices": [seat["price"] for seat in document["seats"]],
            "total": document["total"],
            "expires_at": document["expires_at"],
            "server_time": document["server_time"],
        }
    if op in ("map", "last_map"):
        return {
            "ids": [seat["id"] for seat in document] if op == "last_map" else None,
            "states": "".join(STATE_LETTERS[seat["state"]] for seat in document),
            "mine": [seat["id"] for seat in document if seat["mine"]],
            "user_ids": sorted({seat["user_id"] for seat in document if seat["user_id"]}),
        }
    if op == "bookings":
        return [[item["id"], item["user_id"], item["status"]] for item in document]
    return None
