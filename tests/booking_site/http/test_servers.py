"""What granian and gunicorn do with our configuration, seen from outside."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.test import Client

from benchmarks.servers import wait_until
from tests.factories import PriceCardFactory, UserFactory
from tests.web import SERVERS, Answer, RawConnection, WebServer, database_url, web_server

TOKEN = "a-token-for-the-metrics-of-these-tests"
WAITING_PIDS = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
WAITING = f"SELECT count(*) FROM ({WAITING_PIDS}) AS waiting"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
LONG_TIMEOUTS = {"LOCK_TIMEOUT_MS": "60000", "STATEMENT_TIMEOUT_MS": "60000"}

by_each_server = pytest.mark.parametrize("by", SERVERS)
with_tables = pytest.mark.django_db(transaction=True)


def get(server: WebServer, path: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(RawConnection(server.port)) as raw:
        return raw.call("GET", path, headers=named)


def get_movies(server: WebServer) -> int:
    return get(server, "/api/movies").status


def pool_size(server: WebServer) -> float:
    answer = get(server, "/metrics", Authorization=f"Bearer {TOKEN}")
    lines = dict(line.split(" ") for line in answer.body.decode().splitlines() if line[0] != "#")
    return float(lines["booking_pool_connections"])


@contextmanager
def movies_locked(table: str = "list_versions") -> Iterator[psycopg.Connection]:
    """Let requests for movies, or for a table, wait until the connection rolls back."""
    with psycopg.connect(database_url()) as locker:
        locker.execute(f"LOCK {table} IN ACCESS EXCLUSIVE MODE")
        yield locker
        locker.rollback()


def count(statement: str) -> int:
    with psycopg.connect(database_url(), autocommit=True) as watcher:
        return int(watcher.execute(statement).fetchone()[0])


def wait_for_requests(number: int) -> None:
    """Return once so many requests wait in the database."""
    wait_until(lambda: count(WAITING) == number, what=f"{number} requests")


# Stopping


@with_tables
@by_each_server
def test_a_server_told_to_stop_answers_the_requests_in_flight(tmp_path: Path, by: str) -> None:
    own = {"DATABASE_URL": database_url(), **LONG_TIMEOUTS}
    with (
        web_server(tmp_path / "log", by=by, **own) as server,
        ThreadPoolExecutor(2) as threads,
        movies_locked() as locker,
    ):
        answers = [threads.submit(get_movies, server) for _ in range(2)]
        wait_for_requests(2)
        server.process.terminate()
        wait_until(lambda: b"Stopping worker" in log_of(tmp_path) or by == "gunicorn", what="stop")
        locker.rollback()
        assert [answer.result() for answer in answers] == [200, 200]
        assert server.process.wait(40) == 0


def log_of(folder: Path) -> bytes:
    return (folder / "log").read_bytes()


@with_tables
@by_each_server
def test_a_request_that_never_ends_does_not_prevent_a_server_from_stopping(
    tmp_path: Path, by: str
) -> None:
    own = {"DATABASE_URL": database_url(), "WEB_GRACEFUL_SECONDS": "1", **LONG_TIMEOUTS}
    with (
        web_server(tmp_path / "log", by=by, **own) as server,
        ThreadPoolExecutor(1) as threads,
        movies_locked(),
    ):
        answer = threads.submit(get_movies, server)
        wait_for_requests(1)
        server.process.terminate()
        server.process.wait(40)  # with the request still waiting
        assert isinstance(answer.exception(), ConnectionError)


@with_tables
@by_each_server
def test_a_killed_worker_is_replaced_and_its_gauges_are_gone(tmp_path: Path, by: str) -> None:
    metrics = tmp_path / "metrics"
    own = {
        "DATABASE_URL": database_url(),
        "METRICS_TOKEN": TOKEN,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
    with web_server(tmp_path / "log", by=by, **own) as server:
        assert get_movies(server) == 200
        (killed,) = server.workers()
        assert list(metrics.glob(f"gauge_live*_{killed}.db"))
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: server.workers() not in ([], [killed]), what="another worker")
        wait_until(server.listens, what="The other worker")
        assert pool_size(server) == 0
        assert not list(metrics.glob(f"gauge_live*_{killed}.db"))


# Files


@with_tables
@by_each_server
def test_an_export_whose_database_breaks_midway_is_an_error(
    tmp_path: Path, by: str, client: Client
) -> None:
    PriceCardFactory()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    session = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"}
    path = "/admin/catalog/pricecard/export/"
    own = {"DATABASE_URL": database_url(), **LONG_TIMEOUTS}
    with web_server(tmp_path / "log", by=by, **own) as server, ThreadPoolExecutor(1) as aside:
        with movies_locked("price_card_lines"):  # which are read after the cards
            answer = aside.submit(get, server, path, **session)
            wait_for_requests(1)
            count(f"SELECT count(pg_terminate_backend(pid)) FROM ({WAITING_PIDS}) AS waiting")
            assert answer.result().status == 503
        whole = get(server, path, **session)
        assert whole.headers["Content-Length"] == str(len(whole.body))
        assert whole.status == 200


# Threads and connections


@with_tables
@by_each_server
def test_there_are_no_more_threads_than_web_threads(tmp_path: Path, by: str) -> None:
    pool = {"DATABASE_POOL_MIN": "8", "DATABASE_POOL_MAX": "8"}
    own = {"DATABASE_URL": database_url(), "WEB_THREADS": "2", **pool, **LONG_TIMEOUTS}
    with web_server(tmp_path / "log", by=by, **own) as server, ThreadPoolExecutor(16) as threads:
        assert get_movies(server) == 200
        wait_until(lambda: count(CONNECTIONS) >= 8, what="A pool that could serve eight threads")
        with movies_locked():
            answers = [threads.submit(get_movies, server) for _ in range(16)]
            wait_for_requests(2)
            assert [answer.done() for answer in answers] == [False] * 16
            assert count(WAITING) == 2
        assert [answer.result() for answer in answers] == [200] * 16


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b", id="half a head"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id="idle after a request"),
    ],
)
def test_idle_connections_delay_no_request(
    django_db_setup: None, tmp_path: Path, start: bytes
) -> None:
    """granian gives a thread to a whole head, and counts open connections apart from threads."""
    own = {"DATABASE_URL": database_url(), "WEB_THREADS": "2"}
    with web_server(tmp_path / "log", **own) as server, ExitStack() as crowd:
        for _ in range(60):
            client = crowd.enter_context(
                socket.create_connection(("127.0.0.1", server.port), timeout=30)
            )
            client.sendall(start)
        assert get(server, "/livez").status == 200


def test_a_connection_that_sends_nothing_is_closed(django_db_setup: None, tmp_path: Path) -> None:
    own = {"DATABASE_URL": database_url(), "GRANIAN_HTTP1_HEADER_READ_TIMEOUT": "300"}
    with (
        web_server(tmp_path / "log", **own) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as client,
    ):
        assert client.recv(1) == b""


def test_gunicorn_has_no_control_socket(django_db_setup: None, tmp_path: Path) -> None:
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    own = {"DATABASE_URL": database_url(), "XDG_RUNTIME_DIR": str(sockets)}
    with web_server(tmp_path / "log", by="gunicorn", **own) as server:
        assert get(server, "/livez").status == 200
        assert list(sockets.iterdir()) == []


# Problems, and what a log may contain

CANARY = "canary-of-the-environment-4b1d"
PRODUCTION = {
    "DEVELOPMENT": "0",
    "SECRET_KEY": f"0123456789-{CANARY}-secret-key",
    "JWT_SIGNING_KEY": f"0123456789-{CANARY}-signing-key",
    "ALLOWED_HOSTS": "127.0.0.1",
    "CLIENT_URL": "https://cinema.example",
    "ANY_VARIABLE": CANARY,
    "NUM_PROXIES": "1",
    "PYTHONWARNINGS": "ignore",  # no static files are collected here
}


@with_tables
@by_each_server
def test_no_log_line_contains_the_environment(tmp_path: Path, by: str) -> None:
    """granian copies the environment into each request's META; a crash logs none of it."""
    own = {**PRODUCTION, "DATABASE_URL": database_url()}
    with web_server(tmp_path / "log", by=by, wsgi="tests.sabotage.crash", **own) as server:
        answer = get(server, "/api/movies", X_Forwarded_Proto="https")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    problem = json.loads(answer.body)
    assert problem["code"] == "internal_error"
    assert "Planted" not in answer.body.decode()
    log = log_of(tmp_path).decode()
    lines = [json.loads(line) for line in log.splitlines()]  # the server's own lines too
    (crash,) = [line for line in lines if "Planted crash" in line.get("exception", "")]
    assert crash["request_id"] == problem["request_id"]
    assert CANARY not in log
    assert database_url() not in log


MALFORMED = [
    b"GET / HTTP/1.1\r\nHost: a\r\nBad name canary: b\r\n\r\n",
    b"G(canary / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01canary\r\n\r\n",
    b"GET /canary HTTP/9.9\r\nHost: a\r\n\r\n",
    b"POST /canary HTTP/1.1\r\nHost: a\r\nContent-Length: canary\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"canary: b\r\n" * 120 + b"\r\n",
    b"GET /" + b"canary" * 12_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
]


@with_tables
@by_each_server
def test_a_malformed_request_is_refused_without_its_text_or_address_in_the_log(
    tmp_path: Path, by: str
) -> None:
    with web_server(tmp_path / "log", by=by, DATABASE_URL=database_url()) as server:
        statuses = []
        for raw in MALFORMED:
            with closing(RawConnection(server.port)) as connection:
                statuses.append(connection.send("GET", raw).status)
    assert statuses == [400] * 5 + [431, 414]
    log = log_of(tmp_path)
    assert b"canary" not in log
    assert b"ip=" not in log
    assert log.count(b"malformed") == (len(MALFORMED) if by == "gunicorn" else 0)


@with_tables
@by_each_server
@pytest.mark.parametrize(("proxies", "scheme"), [("0", "http"), ("1", "https")])
def test_x_forwarded_proto_counts_behind_a_proxy_only(
    tmp_path: Path, by: str, proxies: str, scheme: str
) -> None:
    own = {"DATABASE_URL": database_url(), "NUM_PROXIES": proxies}
    with web_server(tmp_path / "log", by=by, **own) as server:
        answer = get(server, "/api/movies", X_Forwarded_Proto="https", X_Forwarded_For="10.0.0.1")
    assert f"<{scheme}://127.0.0.1/api/movies" in answer.headers["Link"]


OF_A_PROXY = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
# Harmless values of headers that some proxies set, and some servers or frameworks trust.
UNTRUSTED = {
    "Forwarded": "for=127.0.0.2;proto=https;host=localhost",
    "X-Forwarded-Host": "localhost",
    "X-Forwarded-Server": "localhost",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/api",
    "X-Forwarded-Path": "/livez",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-User": "admin",
    "X-Url-Scheme": "https",
    "Front-End-Https": "on",
    "X-Real-IP": "127.0.0.2",
    "X-Client-IP": "127.0.0.2",
    "True-Client-IP": "127.0.0.2",
    "X-Original-URL": "/livez",
    "X-Rewrite-URL": "/livez",
    "X-Script-Name": "/api",
    "X-HTTP-Method-Override": "DELETE",
    **{"SCRIPT_NAME": "/api", "PATH_INFO": "/livez", "QUERY_STRING": "page=2"},
    **{"REMOTE_USER": "admin", "REMOTE_ADDR": "127.0.0.2", "REQUEST_METHOD": "DELETE"},
    **{"SERVER_NAME": "localhost", "SERVER_PORT": "444", "HTTPS": "on"},
    **{"wsgi.url_scheme": "https", "HTTP_HOST": "localhost"},
}


@with_tables
@by_each_server
@pytest.mark.parametrize("proxies", ["0", "1"])
def test_only_the_headers_that_num_proxies_counts_change_an_answer(
    tmp_path: Path, by: str, proxies: str
) -> None:
    own = {
        **{"DATABASE_URL": database_url(), "NUM_PROXIES": proxies, "FORWARDED_ALLOW_IPS": "*"},
        **{"ADMIN_ALLOWED_ADDRESSES": "127.0.0.1", "THROTTLE_READ": ""},
    }
    trusted = OF_A_PROXY if proxies == "1" else {}
    headers = UNTRUSTED if trusted else UNTRUSTED | OF_A_PROXY | {"X_Forwarded_For": "127.0.0.2"}
    with (
        web_server(tmp_path / "log", by=by, **own) as server,
        closing(RawConnection(server.port)) as raw,
    ):

        def facts(path: str, more: dict[str, str]) -> tuple[object, ...]:
            answer = raw.call("GET", path, headers=trusted | more)
            seen = [answer.headers[name] for name in ("Link", "Location", "Vary", "ETag")]
            return (answer.status, *seen, len(answer.body))

        for path, status in (("/api/movies", 200), ("/admin/", 302), ("/nothing", 404)):
            plain = facts(path, {})
            assert plain[0] == status
            assert [name for name in headers if facts(path, {name: headers[name]}) != plain] == []


@with_tables
@by_each_server
@pytest.mark.parametrize(("proxies", "warnings"), [("0", 1), ("1", 0)])
def test_a_proxy_that_num_proxies_does_not_count_is_reported_once(
    tmp_path: Path, by: str, proxies: str, warnings: int
) -> None:
    own = {"DATABASE_URL": database_url(), "NUM_PROXIES": proxies}
    with web_server(tmp_path / "log", by=by, **own) as server:
        for path in ("/livez", "/api/movies"):
            assert get(server, path, X_Forwarded_For="10.0.0.1").status == 200
    assert log_of(tmp_path).count(b"set NUM_PROXIES") == warnings


@with_tables
@by_each_server
def test_a_web_server_has_its_limits_whatever_role_the_environment_names(
    tmp_path: Path, by: str
) -> None:
    own = {"DATABASE_URL": database_url(), "PROCESS_ROLE": "command", "LOCK_TIMEOUT_MS": "200"}
    with (
        web_server(tmp_path / "log", by=by, **own) as server,
        psycopg.connect(database_url()) as locker,
    ):
        locker.execute("LOCK list_versions IN ACCESS EXCLUSIVE MODE")
        answer = get(server, "/api/theatres")
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "busy")
    assert answer.headers["Retry-After"]


@with_tables
@by_each_server
def test_a_limit_is_a_problem_with_retry_after(tmp_path: Path, by: str) -> None:
    own = {"DATABASE_URL": database_url(), "THROTTLE_LOGIN": "1/hour"}
    login = {"Content-Type": "application/json"}
    body = b'{"email": "nobody@example.com", "password": "seven seals in the bay"}'
    with (
        web_server(tmp_path / "log", by=by, **own) as server,
        closing(RawConnection(server.port)) as raw,
    ):
        answers = [raw.call("POST", "/api/auth/login", headers=login, body=body) for _ in range(2)]
    assert [answer.status for answer in answers] == [401, 429]
    assert json.loads(answers[1].body)["code"] == "throttled"
    assert int(answers[1].headers["Retry-After"]) > 0
