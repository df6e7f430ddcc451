"""Patroni's REST API."""

from collections.abc import Mapping
from typing import Any

import httpx

from booking_site.embedded.cluster.nodes import Node
from booking_site.embedded.processes import StartupError

_PORT = 8008
_READ_SECONDS = 1.0
_CHANGE_SECONDS = 60.0  # a switchover takes as long as the former primary's shutdown


class Patroni:
    def __init__(self, password: str) -> None:
        self._login = ("patroni", password)

    def get(self, node: Node, path: str) -> Any:
        """Return the JSON of a 200; None for another status, or without a response."""
        try:
            answer = httpx.get(_url(node, path), timeout=_READ_SECONDS, trust_env=False)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def send(self, node: Node, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Send a change. Raise StartupError with Patroni's response unless it is 200."""
        answer = httpx.request(
            method,
            _url(node, path),
            json=body,
            auth=self._login,
            timeout=_CHANGE_SECONDS,
            trust_env=False,
        )
        if answer.status_code != 200:
            raise StartupError(f"Patroni on {node.name}: {answer.text.strip()}")


def _url(node: Node, path: str) -> str:
    return f"http://{node.address}:{_PORT}{path}"
