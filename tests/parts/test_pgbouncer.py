"""Debian's PgBouncer, in transaction mode, between the web servers and PostgreSQL.

Its version 1.18 does not support prepared statements.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from benchmarks.servers import UNLIMITED, free_port, wait_until
from catalog.models import Show
from legacy_import.source import Source
from tests.bookings.test_over_http import (  # noqa: F401 - tests to run here as well
    seats,
    test_forty_calls_of_eight_customers_sell_a_seat_once,
    test_one_key_sixteen_times_over_both_servers_is_one_purchase,
)
from tests.factories import ShowFactory, make_seats
from tests.parts.pgbouncer import pgbouncer
from tests.web import ROOT, SERVERS, Answer, RawConnection, database_url, web_server

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "four lions at the gate"
POOL_SIZE = 3  # fewer than threads, so that they share connections
OWNER = urlsplit(os.environ.get("DATABASE_URL", "")).username
# How a web server starts, and its exit code if it refuses to.
START = {
    "granian": (["deploy/serve"], 1),
    "gunicorn": ([sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0"], 3),
}
COMMANDS = [
    ["worker", "--until-empty"],
    ["migrate", "--verbosity=0"],
    ["count_shows"],
    ["backup", "cinema.dump"],
    ["doctor"],
    # Django connects before, and takes ImproperlyConfigured for "no database".
    ["createsuperuser", "--noinput", "--email=ida@example.com", "--name=Ida"],
]


@pytest.fixture
def web_role(db: None) -> Iterator[str]:
    """Create the role of web processes as docs/operations.md does; return its direct URL."""
    (statements,) = re.findall(
        r"^```sql\n(CREATE ROLE booking_web .+?)```$",
        (ROOT / "docs" / "operations.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    password = uuid4().hex
    server = urlsplit(database_url())
    with psycopg.connect(database_url(), autocommit=True) as owner:
        owner.execute(
            statements.replace("'…'", f"'{password}'").replace(
                "IN ROLE booking;", f"IN ROLE {server.username};"
            )
        )
        yield urlunsplit(
            server._replace(netloc=f"booking_web:{password}@{server.hostname}:{server.port}")
        )
        owner.execute("DROP ROLE booking_web")


@pytest.fixture
def pooled(web_role: str) -> Iterator[str]:
    """The URL of a PgBouncer in transaction mode, for the role of web processes."""
    with pgbouncer(web_role, pool_size=POOL_SIZE) as (url,):
        yield url


@pytest.fixture(params=SERVERS)
def ports(request: pytest.FixtureRequest, pooled: str, tmp_path: Path) -> Iterator[list[int]]:
    """Two web servers behind PgBouncer."""
    own = {"DATABASE_URL": pooled, "DATABASE_PREPARE": "0", **UNLIMITED}
    with ExitStack() as stack:
        yield [
            stack.enter_context(web_server(tmp_path / name, by=request.param, **own)).port
            for name in ("one.log", "two.log")
        ]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["timeout", "120", *command],  # else the workers of a server would go on
        cwd=ROOT,
        env={**os.environ, "PORT": str(free_port()), "EMAIL_URL": "dummymail://", **environment},
        capture_output=True,
        text=True,
    )


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "manage.py", *arguments], **environment)


# What does not start


def refusal(by: str, **environment: str) -> str:
    """Start a web server that refuses to, and return what it writes."""
    command, code = START[by]
    # With a second worker that fails while it stops, gunicorn may return another code.
    done = run(command, WEB_CONCURRENCY="1", **environment)
    assert done.returncode == code, done.stderr
    # deploy/serve asks before it starts granian, which would restart its workers several times.
    assert by == "gunicorn" or "granian" not in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("by", SERVERS)
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_web_server_does_not_start_with_prepared_statements(
    web_role: str, by: str, mode: str
) -> None:
    with pgbouncer(web_role, pool_mode=mode) as (url,):
        written = refusal(by, DATABASE_URL=url)
    assert "set DATABASE_PREPARE=0" in written
    assert "ALTER ROLE" not in written


@pytest.mark.parametrize("by", SERVERS)
@pytest.mark.parametrize("prepare", ["0", "1"])
def test_a_web_server_does_not_start_without_transactions(
    web_role: str, by: str, prepare: str
) -> None:
    with pgbouncer(web_role, pool_mode="statement") as (url,):
        written = refusal(by, DATABASE_URL=url, DATABASE_PREPARE=prepare)
    assert "set pool_mode to transaction" in written


@pytest.mark.parametrize("by", SERVERS)
def test_a_web_server_does_not_start_without_its_limits(db: None, by: str) -> None:
    with pgbouncer(database_url()) as (url,):
        written = refusal(by, DATABASE_URL=url, DATABASE_PREPARE="0")
    for setting in (
        "lock_timeout = 3000",
        "statement_timeout = 5000",
        "idle_in_transaction_session_timeout = 10000",
    ):
        assert f"ALTER ROLE {OWNER} SET {setting};" in written
    assert "DATABASE_PREPARE" not in written


@pytest.mark.parametrize("by", SERVERS)
def test_a_limit_other_than_the_one_asked_for_is_refused(pooled: str, by: str) -> None:
    written = refusal(by, DATABASE_URL=pooled, DATABASE_PREPARE="0", LOCK_TIMEOUT_MS="2000")
    assert "lock_timeout is 3000 instead of 2000" in written
    assert "statement_timeout" not in written


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_needs_a_direct_address(pooled: str, command: list[str]) -> None:
    done = manage(*command, DATABASE_URL=pooled, DATABASE_PREPARE="0")
    assert done.returncode != 0
    assert "set DATABASE_DIRECT_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_use_the_direct_address(pooled: str) -> None:
    own = {"DATABASE_URL": pooled, "DATABASE_PREPARE": "0", "DATABASE_DIRECT_URL": database_url()}
    for command in (["migrate", "--verbosity=0"], ["worker", "--until-empty"], ["count_shows"]):
        done = manage(*command, **own)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("prepare", "code", "line"),
    [("0", 0, "ok     web_sessions_safe"), ("1", 1, "DATABASE_PREPARE=0")],
)
def test_the_doctor_checks_the_address_of_web_processes(
    pooled: str, prepare: str, code: int, line: str
) -> None:
    own = {"DATABASE_URL": pooled, "DATABASE_DIRECT_URL": database_url()}
    done = manage("doctor", DATABASE_PREPARE=prepare, **own)
    assert done.returncode == code, done.stdout
    assert line in done.stdout


def test_a_pooler_that_comes_later_is_checked_as_well(web_role: str, tmp_path: Path) -> None:
    port = free_port()
    parts = urlsplit(web_role)
    url = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))
    log = tmp_path / "log"
    with web_server(log, DATABASE_URL=url, DATABASE_POOL_TIMEOUT_SECONDS="1") as server:
        assert get(server.port, "/api/movies").status == 503
        with pgbouncer(web_role, port=port):

            def is_refused() -> bool:
                assert get(server.port, "/api/movies").status == 503
                return "set DATABASE_PREPARE=0" in log.read_text()

            wait_until(is_refused, what="The refusal")


def test_requests_succeed_again_once_pgbouncer_can_connect(
    web_role: str, pooled: str, tmp_path: Path
) -> None:
    with (
        web_server(tmp_path / "log", DATABASE_URL=pooled, DATABASE_PREPARE="0") as server,
        psycopg.connect(database_url(), autocommit=True) as owner,
    ):
        assert get(server.port, "/api/movies").status == 200
        owner.execute("ALTER ROLE booking_web NOLOGIN")
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE usename = 'booking_web'"
        )
        for _ in range(2):
            refused = get(server.port, "/api/movies")
            assert (refused.status, json.loads(refused.body)["code"]) == (503, "busy")
        owner.execute("ALTER ROLE booking_web LOGIN")
        wait_until(lambda: get(server.port, "/api/movies").status == 200, what="The server")


def test_pgbouncer_of_the_cluster_connects_again_after_a_second() -> None:
    """By default, it waits for 15 seconds after a failed connection, which prolongs a failover."""
    configuration = ConfigParser(interpolation=None)
    configuration.read(ROOT / "deploy" / "cluster" / "pgbouncer.ini")
    assert configuration["pgbouncer"]["server_login_retry"] == "1"
    (database,) = configuration["databases"].values()
    assert "," not in database  # it would connect to several hosts in turn, also to a standby


# The API


def get(port: int, path: str, **headers: str) -> Answer:
    with closing(RawConnection(port)) as raw:
        return raw.call("GET", path, headers=headers)


class Customer:
    """Sends JSON to the two servers in turn."""

    def __init__(self, ports: list[int]) -> None:
        self.ports, self.headers, self.calls = ports, {}, 0

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        self.calls += 1
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        content = None
        if body is not None:
            sent["Content-Type"], content = "application/json", json.dumps(body).encode()
        with closing(RawConnection(self.ports[self.calls % len(self.ports)])) as raw:
            answer = raw.call(method, path, headers=sent, body=content)
        return answer.status, json.loads(answer.body) if answer.body else None


def test_the_contract_holds_behind_pgbouncer(ports: list[int], pooled: str) -> None:
    show: Show = ShowFactory()
    first, second, third = make_seats(show, "SSS")
    customer, map_path = Customer(ports), f"/api/shows/{show.pk}/seats"
    credentials = {"email": "lena@example.com", "password": PASSWORD}

    status, _ = customer.call("POST", "/api/auth/register", {"name": "Lena", **credentials})
    assert status == 201
    status, tokens = customer.call("POST", "/api/auth/login", credentials)
    assert status == 200
    customer.headers["Authorization"] = f"Bearer {tokens['token']}"

    hold = {"show_id": show.pk, "seat_ids": [first.pk, second.pk]}
    status, held = customer.call("POST", "/api/holds", hold)
    assert status == 201
    status, order = customer.call(
        "POST", "/api/bookings", {"hold_id": held["id"]}, Idempotency_Key="k"
    )
    assert status == 201
    for _ in ports:
        assert customer.call(
            "POST", "/api/bookings", {"hold_id": held["id"]}, Idempotency_Key="k"
        ) == (201, order)
    one = {"show_id": show.pk, "seat_id": third.pk}
    status, single = customer.call("POST", "/api/bookings", one, Idempotency_Key="l")
    assert status == 201
    status, _ = customer.call("POST", f"/api/bookings/{single['bookings'][0]['id']}/cancel", {})
    assert status == 200
    for _ in ports:
        status, seat_map = customer.call("GET", map_path)
        assert [seat["state"] for seat in seat_map] == ["booked", "booked", "available"]
    status, listed = customer.call("GET", "/api/bookings")
    assert (status, len(listed)) == (200, 3)
    status, _ = customer.call("GET", "/api/movies")
    assert status == 200

    # Every limit applies, and nothing of a session is shared.
    with psycopg.connect(database_url()) as locker:
        locker.execute("SELECT FROM seats WHERE id = %s FOR UPDATE", [third.pk])
        status, refusal = customer.call("POST", "/api/bookings", one, Idempotency_Key="m")
        assert (status, refusal["code"]) == (503, "busy")
    assert left_in_sessions(pooled) == []


def test_the_import_of_the_original_works_behind_pgbouncer(web_role: str) -> None:
    with (
        pgbouncer(web_role, pool_size=1) as (url,),
        psycopg.connect(url, autocommit=True) as other,
    ):
        # A name that psycopg gives by itself to a statement that is often executed.
        other.pgconn.prepare(b"_pg3_0", b"SELECT 1")
        with Source(url) as source:
            assert [source.count("users") for _ in range(10)] == [0] * 10


def left_in_sessions(pooled: str) -> list[Any]:
    """Return the prepared statements and cursors in the connections of the pooler."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(psycopg.connect(pooled)) for _ in range(POOL_SIZE)]
        names = "SELECT name FROM pg_prepared_statements UNION ALL SELECT name FROM pg_cursors"
        # The transactions are open at the same time, so each has another connection.
        return [row for session in sessions for row in session.execute(names).fetchall()]


def wrong_maps(ports: list[int]) -> list[Answer]:
    """Read the maps of new shows from both servers, and return the wrong ones."""
    wrong = []
    for _ in range(5):
        show: Show = ShowFactory()
        seat_ids = [seat.pk for seat in make_seats(show, "SSS")]
        for port in ports:
            answer = get(port, f"/api/shows/{show.pk}/seats")
            if answer.status != 200 or [seat["id"] for seat in json.loads(answer.body)] != seat_ids:
                wrong.append(answer)
    return wrong


def test_two_servers_send_the_right_maps(ports: list[int]) -> None:
    assert wrong_maps(ports) == []


def test_without_the_refusal_they_run_the_statements_of_each_other(
    web_role: str, tmp_path: Path
) -> None:
    """Guards the tests above: two servers number their statements as two releases would."""
    with ExitStack() as stack:
        (url,) = stack.enter_context(pgbouncer(web_role, pool_size=1))
        own = {"DATABASE_URL": url, **UNLIMITED}
        ports = [
            stack.enter_context(
                web_server(
                    tmp_path / number,
                    by="gunicorn",  # deploy/serve asks by itself
                    wsgi="tests.sabotage.any_pooler",
                    EXTRA_STATEMENTS=number,
                    **own,
                )
            ).port
            for number in ("0", "1")
        ]
        assert wrong_maps(ports)
