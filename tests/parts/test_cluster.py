"""`make cluster`: Debian's servers around the site, and nothing that outlives them."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from benchmarks.servers import free_port
from tests.faults.servers import until
from tests.web import ROOT

CLUSTER = [sys.executable, "-m", "booking_site.embedded.cluster"]
# Like the machine of a user who is not root, also where the tests run as root.
AS_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
# The kernel refuses further namespaces.
FORBIDDEN = [
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"',
    "sh",
]
LOGIN = {"email": "customer@example.com", "password": "popcorn-at-eight"}
# A machine with a process on it, and one that has lost its parent.
MACHINE = """
import subprocess
from booking_site.embedded.cluster import enter_namespaces, namespaces
enter_namespaces()
namespaces.create_network()
namespaces.add_machine("db1", "10.77.0.11", megabytes=1)
sleep = namespaces.on_machine("db1", ["sleep", "1000"])
subprocess.Popen(sleep)
subprocess.run(["sh", "-c", '"$@" & ', "sh", *sleep])
print("ready", flush=True)
input()
"""


def environment() -> dict[str, str]:
    """Return this environment without the addresses of the servers of the tests."""
    left_out = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def start(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def descendants(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def names(processes: list[psutil.Process]) -> list[str]:
    """Return the programs of those processes that have not ended."""
    found = []
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE:
                found.append(each.name())
    return found


class Site:
    """A site in a cluster, and the terminal that shows the cluster."""

    def __init__(self, terminal: "subprocess.Popen[str]", url: str, logs: Path) -> None:
        self.terminal = terminal
        self.url = url
        self.logs = logs
        token = httpx.post(f"{url}/api/auth/login", json=LOGIN).raise_for_status().json()["token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Return the JSON of the response; repeat the request while the site asks for that."""
        answers: list[httpx.Response] = []

        def is_answered() -> bool:
            url = f"{self.url}/api/{path}"
            answers.append(httpx.request(method, url, headers=self.headers, timeout=30, **request))
            assert answers[-1].status_code != 503 or "Retry-After" in answers[-1].headers
            return answers[-1].status_code != 503

        until(is_answered, what="the site responds")
        return answers[-1].raise_for_status().json()

    def book(self) -> None:
        show = self.show()
        seats = self.call("GET", f"shows/{show}/seats")
        seat = next(each["id"] for each in seats if each["status"] == "available")
        self.headers["Idempotency-Key"] = uuid4().hex
        self.call("POST", "bookings", json={"show_id": show, "seat_ids": [seat]})

    def show(self) -> int:
        return int(self.call("GET", "theatres/1/shows")[-1]["id"])

    def streams_seats(self) -> bool:
        """Wait for the seat map on a stream of live seats."""
        with httpx.stream("GET", f"{self.url}/api/shows/{self.show()}/seats/events") as stream:
            return "event: map" in stream.iter_lines()

    def kill_web_server(self) -> None:
        for each in descendants(self.terminal):
            with suppress(psutil.NoSuchProcess):  # It has ended with its parent.
                if "booking_site.wsgi:application" in each.cmdline():
                    for process in (each, *each.children(recursive=True)):
                        process.kill()

    def refusal(self, method: str, path: str) -> httpx.Response:
        """Wait for a response of HAProxy itself."""
        answers: list[httpx.Response] = []

        def is_refused() -> bool:
            answers.append(httpx.request(method, f"{self.url}/api/{path}", timeout=30))
            return answers[-1].status_code == 503 and "X-Request-ID" not in answers[-1].headers

        until(is_refused, what="HAProxy sees no server")
        return answers[-1]

    def lose_primary(self) -> None:
        """Kill Patroni and PostgreSQL of the primary, so that its lease must expire."""
        members = json.loads(self.patronictl("list", "--format=json"))
        (name,) = [each["Member"] for each in members if each["Role"] == "Leader"]
        for each in descendants(self.terminal):
            with suppress(psutil.NoSuchProcess):
                command = " ".join(each.cmdline())
                if f"/{name}/" in command and ("patroni.yml" in command or "postgres" in command):
                    each.kill()

    def patronictl(self, *words: str) -> str:
        program = Path(sys.executable).with_name("patronictl")
        return self.inside(program, "-c", self.logs / "db1/patroni.yml", *words)

    def inside(self, *words: str | Path) -> str:
        """Run a command inside the cluster, as `make cluster-shell` does."""
        unshare = next(each for each in descendants(self.terminal) if each.name() == "unshare")
        (init,) = unshare.children()
        namespaces = ["--user", "--net", "--mount", "--pid", "--preserve-credentials"]
        enter = ["nsenter", f"--target={init.pid}", *namespaces, "--"]
        return subprocess.run(
            [*enter, *words], capture_output=True, text=True, check=True, env=environment()
        ).stdout


@pytest.fixture
def site() -> Iterator[Site]:
    port = free_port()
    with start(*CLUSTER, f"--port={port}", "--servers=1") as terminal:
        assert terminal.stdout is not None
        banner = "".join(iter(terminal.stdout.readline, "Ctrl-C stops everything.\n"))
        found = re.search(r"(/\S+)/\*/\*\.log", banner)
        assert found, banner
        yield Site(terminal, f"http://127.0.0.1:{port}", Path(found[1]))
        terminal.terminate()
        terminal.communicate()


def test_the_site_works_after_the_loss_of_its_primary_and_nothing_is_left_behind(site):
    site.book()
    site.patronictl("switchover", "--force", "booking")
    site.book()
    assert site.streams_seats()
    show = site.show()
    site.lose_primary()
    assert site.refusal("POST", "bookings").json()["code"] == "busy"
    for path in ("movies", f"shows/{show}", f"shows/{show}/seats", f"shows/{show}/layout"):
        assert httpx.get(f"{site.url}/api/{path}").status_code == 200, path
    me = httpx.get(f"{site.url}/api/auth/me", headers=site.headers)
    assert me.status_code == 503
    assert "X-Request-ID" not in me.headers
    site.book()
    processes = descendants(site.terminal)
    assert len(processes) > 20
    site.kill_web_server()
    refusal = site.refusal("GET", "movies")
    assert refusal.json()["code"] == "busy"
    assert refusal.headers["Retry-After"] == "2"
    site.terminal.terminate()
    site.terminal.communicate()
    assert site.terminal.returncode == 0
    assert names(processes) == []
    assert not site.logs.exists()


@pytest.mark.parametrize("user", [[], AS_USER], ids=["this user", "another user"])
def test_kill_9_leaves_no_process(user):
    with start(*user, sys.executable, "-c", MACHINE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        until(lambda: names(descendants(program)).count("sleep") == 2, what="both sleep")
        processes = descendants(program)
        program.kill()
        until(lambda: not names(processes), what="all processes have ended")


@pytest.mark.parametrize(
    ("prefix", "path", "complaint"),
    [
        ([], "/nowhere", "Missing: etcd-server, redis-sentinel. "),
        (FORBIDDEN, os.environ["PATH"], "The kernel allows no namespaces here (unshare: "),
    ],
    ids=["packages", "namespaces"],
)
def test_missing_packages_or_namespaces_are_reported_in_one_line(prefix, path, complaint):
    done = subprocess.run(
        [*prefix, *CLUSTER, f"--port={free_port()}"],
        cwd=ROOT,
        env=environment() | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(complaint)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("port", ["abc", "0", None], ids=str)
def test_an_unusable_port_is_reported_in_one_line(port):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        words = [*CLUSTER, f"--port={port or taken.getsockname()[1]}"]
        done = subprocess.run(
            words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("make cluster PORT=8123\n")
