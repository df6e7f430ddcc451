"""Bad input to every endpoint, over HTTP: a clear 4xx, and the connection stays usable."""

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from pytest_django import DjangoDbBlocker

from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.environment import RATES
from catalog.models import Movie, Theatre
from tests.factories import MovieFactory, ShowFactory, UserFactory, make_seats
from tests.web import SERVERS, Answer, RawConnection, database_url, web_server

TOO_BIG_ID = 2**53

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Target:
    """The server, and what its database has; `{movie}` and the like in a case are its ids."""

    port: int
    token: str
    ids: dict[str, int]


@dataclass(frozen=True)
class Case:
    method: str
    path: str
    status: int
    code: str
    flaw: str | None = None  # the names in `errors`, with spaces between them
    body: bytes | None = None
    headers: dict[str, str] | None = None
    token: bool = False

    def __str__(self) -> str:
        extra = (self.body or b"")[:30].decode("latin-1") or next(iter(self.headers or ()), "")
        return f"{self.method} {self.path[:50]} {extra}"


JSON = {"Content-Type": "application/json"}
KEY = {"Idempotency-Key": "k-1"}


def bad_body(
    path: str, body: object, name: str, *, method: str = "POST", token: bool = False
) -> Case:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = JSON | (KEY if path == "/api/bookings" else {})
    return Case(method, path, 400, "validation_failed", name, raw, headers, token)


def broken_json(path: str, raw: bytes, *, token: bool = False) -> Case:
    headers = JSON | (KEY if path == "/api/bookings" else {})
    return Case("POST", path, 400, "invalid_json", None, raw, headers, token)


def bad_query(path: str, query: str, *, token: bool = False) -> Case:
    name = query.partition("=")[0]
    return Case("GET", f"{path}?{query}", 400, "validation_failed", name, token=token)


def missing(path: str, code: str = "not_found", *, token: bool = False) -> Case:
    return Case("GET", path, 404, code, token=token)


PERSON = {"name": "Ada", "email": "ada@example.com", "password": "correct horse battery"}

BODIES = [
    *(
        bad_body("/api/auth/register", PERSON | change, name)
        for name, change in [
            ("name", {"name": None}),
            ("name", {"name": 5}),
            ("name", {"name": ""}),
            ("name", {"name": "x" * 5000}),
            ("email", {"email": "nobody"}),
            ("email", {"email": ["a@example.com"]}),
            ("password", {"password": 12345678}),
            ("is_staff", {"is_staff": True}),
        ]
    ),
    *(
        bad_body(
            "/api/auth/password/reset/confirm", {"uid": "1", "new_password": "x"} | tokens, name
        )
        for name, tokens in [
            ("reset_token token", {}),
            ("token", {"token": "a", "reset_token": "a"}),
            ("token", {"token": 5}),
        ]
    ),
    *(
        bad_body("/api/auth/guest", {"name": "Ada", "email": "ada@example.com"} | change, name)
        for name, change in [
            ("name", {"name": ""}),
            ("name", {"name": "See https://prize.example"}),
            ("email", {"email": "ada"}),
            ("email", {"email": "guest-1@invalid"}),
            ("password", {"password": "x"}),
        ]
    ),
    bad_body("/api/auth/guest/claim", {"uid": 1, "token": "x"}, "uid", token=True),
    bad_body("/api/auth/guest/claim", {"uid": "1"}, "token", token=True),
    bad_body("/api/auth/login", {"email": "a@example.com"}, "password"),
    bad_body("/api/auth/login", {"email": {}, "password": "x"}, "email"),
    bad_body("/api/auth/refresh", {}, "refresh"),
    bad_body("/api/auth/refresh", {"refresh": 5}, "refresh"),
    bad_body("/api/auth/logout", {"refresh": None}, "refresh", token=True),
    bad_body("/api/auth/me", {"name": True}, "name", method="PATCH", token=True),
    bad_body(
        "/api/auth/me", {"name": "A", "email": "b@example.com"}, "email", method="PATCH", token=True
    ),
    *(
        bad_body("/api/auth/me", body, name, method="PATCH", token=True)
        for name, body in [
            ("name language", {}),
            ("language", {"language": "pl"}),
            ("language", {"language": ["de"]}),
            ("language", {"language": None}),
        ]
    ),
    bad_body("/api/auth/me", {"password": 5}, "password", method="DELETE", token=True),
    *(
        bad_body("/api/bookings", body, name, token=True)
        for name, body in [
            ("hold_id show_id", {}),
            ("seat_id seat_ids", {"show_id": 1}),
            ("seat_id", {"show_id": 1, "seat_id": "5"}),
            ("seat_id", {"show_id": 1, "seat_id": 5.0}),
            ("seat_id", {"show_id": 1, "seat_id": True}),
            ("seat_id", {"show_id": 1, "seat_id": 0}),
            ("seat_id", {"show_id": 1, "seat_id": TOO_BIG_ID}),
            ("show_id", {"show_id": -1, "seat_id": 5}),
            ("seat_ids", {"show_id": 1, "seat_ids": 5}),
            ("seat_ids.1", {"show_id": 1, "seat_ids": [1, None]}),
            ("hold_id", {"hold_id": "x"}),
            ("price", {"show_id": 1, "seat_id": 5, "price": "0.01"}),
        ]
    ),
    bad_body("/api/bookings/1/cancel", {"reason": "rain"}, "reason", token=True),
    bad_body("/api/orders/K7Q4-9XWD/cancel", {"reason": "rain"}, "reason", token=True),
    bad_body("/api/holds", {"show_id": 1, "seat_ids": [True]}, "seat_ids.0", token=True),
    bad_body("/api/holds", {"show_id": 1, "quantity": "2"}, "quantity", token=True),
]

BROKEN = [
    broken_json("/api/auth/register", raw)
    for raw in [
        b" ",
        b"[]",
        b"null",
        b'{"name": "A"',
        b'{"email": "a@b.c", "email": "d@e.f"}',
        b'{"name": NaN}',
        b'{"name": -Infinity}',
        b'{"name": 1e400}',
        b'{"name": ' + b"9" * 5000 + b"}",
        b'{"name": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"name": "\\ud800"}',
        b'{"name": "\\u0000"}',
        b'{"name": "\xff"}',
        b'\xef\xbb\xbf{"name": "A"}',
    ]
] + [
    broken_json(path, b'{"a": 1, "a": 1}', token=True)
    for path in ("/api/auth/login", "/api/auth/refresh", "/api/bookings", "/api/holds")
]

PATHS = [
    missing("/api/nothing"),
    missing("/api/movies/abc"),
    missing("/api/movies/-1"),
    missing("/api/movies/1.5"),
    missing(f"/api/movies/{TOO_BIG_ID}"),
    missing("/api/movies/" + "9" * 4000),
    missing("/api/movies/1%00"),
    missing("/api/movies/%FF"),
    missing("/api/movies/1%2F..%2F2"),
    missing("/api/movies/999999", "movie_not_found"),
    missing("/api/movies/999999/shows", "movie_not_found"),
    missing("/api/theatres/999999", "theatre_not_found"),
    missing("/api/theatres/999999/shows", "theatre_not_found"),
    missing("/api/shows/999999", "show_not_found"),
    missing("/api/shows/999999/layout", "show_not_found"),
    missing("/api/shows/x/layout"),
    missing(f"/api/shows/{TOO_BIG_ID}/layout?v=1-0"),
    missing("/api/shows/999999/seats", "show_not_found"),
    missing(f"/api/shows/{TOO_BIG_ID}/seats"),
    missing("/api/shows/999999/seats/events", "show_not_found"),
    missing("/api/shows/x/seats/events"),
    missing("/api/bookings/999999", "booking_not_found", token=True),
    missing("/api/bookings/x", token=True),
    missing("/api/orders/K7Q4-9XWD", "order_not_found", token=True),
    missing("/api/orders/K7Q4%009XWD", token=True),
    missing("/api/holds/5", token=True),
]

WRITES = [
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
    ("PATCH", "/api/auth/me"),
    ("DELETE", "/api/auth/me"),
    ("POST", "/api/auth/password/change"),
    ("POST", "/api/auth/password/reset"),
    ("POST", "/api/bookings"),
    ("POST", "/api/bookings/1/cancel"),
    ("POST", "/api/holds"),
]

QUERIES = [
    *(
        bad_query(path, "serach=dune")
        for path in (
            "/api/movies",
            "/api/movies/{movie}",
            "/api/movies/{movie}/shows",
            "/api/theatres/{theatre}",
            "/api/shows",
            "/api/shows/{show}",
            "/api/shows/{show}/seats",
            "/api/shows/{show}/seats/events",
        )
    ),
    *(
        bad_query(path, "serach=dune", token=True)
        for path in ("/api/auth/me", "/api/bookings", "/api/orders/K7Q4-9XWD", "/api/holds")
    ),
    *(
        Case(
            method,
            f"{path}?dry_run=true",
            400,
            "validation_failed",
            "dry_run",
            b"{}",
            JSON,
            token=True,
        )
        for method, path in WRITES
    ),
    bad_query("/api/movies", "Search=dune"),
    bad_query("/api/movies", "_=1764310000000"),
    bad_query("/api/theatres", "search=rex"),
    bad_query("/api/schema", "formt=json"),
    bad_query("/api/schema", "format=xml"),
    *(
        bad_query(path, query)
        for path in ("/api/movies", "/api/theatres", "/api/shows")
        for query in ("page=0", "page=x", "page=1%00", "page_size=501", "page_size=" + "9" * 4000)
    ),
    bad_query("/api/movies", "search=a%00b"),
    bad_query("/api/movies", "language=a%00b"),
    bad_query("/api/movies", "language=" + "x" * 201),
    bad_query("/api/movies", "format=IMAX"),
    bad_query("/api/movies", "theatre=x"),
    bad_query("/api/movies", f"theatre={TOO_BIG_ID}"),
    bad_query("/api/movies", "date=2026-02-30"),
    bad_query("/api/movies", "date=0001-01-01"),
    bad_query("/api/movies", "date=20261122"),
    bad_query("/api/movies", "date=2026-W47-7"),
    bad_query("/api/movies", "search=%ff"),
    Case("GET", "/api/shows?theatre=1&any=%c3%28", 400, "validation_failed", "any"),
    bad_query("/api/movies", "now_showing=perhaps"),
    bad_query("/api/movies/{movie}/shows", "from=yesterday"),
    bad_query("/api/movies/{movie}/shows", "from=20261122T183000Z"),
    bad_query("/api/movies/{movie}/shows", "to=0001-01-01T00:00:00%2B14:00"),
    bad_query("/api/movies/{movie}/shows", "include_past=2"),
    bad_query("/api/theatres/{theatre}/shows", "date=99999-01-01"),
    bad_query("/api/shows", "format=a%00b"),
    bad_query("/api/movies/{movie}/shows", "format=" + "x" * 201),
    bad_query("/api/theatres/{theatre}/shows", "language=%FF"),
    bad_query("/api/shows", "theatre=1%00"),
    bad_query("/api/shows/{show}/layout", "version=1-0"),
    bad_query("/api/shows/{show}/seats", "fields=state"),
    bad_query("/api/shows/{show}/seats", "fields=status%00"),
    *(
        bad_query(path, f"updated_since={value}")
        for path in (
            *("/api/movies", "/api/theatres", "/api/shows"),
            *("/api/movies/{movie}/shows", "/api/theatres/{theatre}/shows"),
        )
        for value in ("yesterday", "2026-11-22", "2026-11-22T18:30:00", "1760000000")
    ),
    bad_query("/api/shows", "after_id=0&updated_since=2026-11-22T18:30:00Z"),
    bad_query("/api/movies", "after_id=x"),
    bad_query("/api/bookings", "status=lost", token=True),
    bad_query("/api/bookings", "upcoming=soon", token=True),
    bad_query("/api/orders", "status=lost", token=True),
]

HEADERS = [
    Case("GET", "/api/auth/me", 401, "not_authenticated"),
    Case("GET", "/api/bookings", 401, "not_authenticated"),
    Case("POST", "/api/bookings", 401, "not_authenticated", body=b"{}", headers=JSON),
    Case("POST", "/api/auth/guest/claim", 401, "not_authenticated", body=b"{}", headers=JSON),
    *(
        Case(
            "POST",
            "/api/auth/guest/claim",
            400,
            "link_invalid",
            body=json.dumps({"uid": uid, "token": "x"}).encode(),
            headers=JSON,
            token=True,
        )
        for uid in ("999999", "-1", "9" * 20, "\u0661")
    ),
    *(
        Case("GET", path, 401, "token_invalid", headers={"Authorization": value})
        for path in ("/api/auth/me", "/api/bookings", "/api/holds")
        for value in ("Bearer", "Bearer a b", "Bearer x.y.z", "Basic YTpi", "Bearer \xff")
    ),
    Case("POST", "/api/bookings", 400, "idempotency_key_missing", None, b"{}", JSON, True),
    *(
        Case(
            "POST",
            "/api/bookings",
            400,
            "idempotency_key_invalid",
            None,
            b'{"show_id": 1, "seat_id": 1}',
            JSON | {"Idempotency-Key": key},
            token=True,
        )
        for key in ("a,b", "a b", 'a"b', "\\", "k" * 256, "\xe9")
    ),
    Case(
        "POST",
        "/api/auth/register",
        400,
        "idempotency_key_invalid",
        None,
        json.dumps(PERSON).encode(),
        JSON | {"Idempotency-Key": "a,b"},
    ),
    Case("GET", "/api/movies", 406, "not_acceptable", headers={"Accept": "text/html"}),
    Case("GET", "/api/movies", 406, "not_acceptable", headers={"Accept": ";;,/"}),
    Case("GET", "/api/shows", 406, "not_acceptable", headers={"Accept": "text/html; v=1"}),
    Case("GET", "/api/movies", 400, "bad_request", headers={"Host": "evil.example"}),
    Case("GET", "/api/movies", 400, "bad_request", headers={"Host": "a b"}),
    Case("DELETE", "/api/movies", 405, "method_not_allowed"),
    Case("POST", "/api/movies/{movie}", 405, "method_not_allowed", body=b"{}", headers=JSON),
    Case("BREW", "/api/auth/login", 405, "method_not_allowed"),
    Case("GET", "/api/auth/login", 405, "method_not_allowed"),
    *(
        Case(
            "POST",
            "/api/auth/login",
            415,
            "unsupported_media_type",
            body=b'{"email": "a@example.com", "password": "x"}',
            headers={"Content-Type": kind},
        )
        for kind in ("text/plain", "application/json; charset=utf-16", "*/*", "")
    ),
    *(
        Case(
            "POST",
            path,
            415,
            "unsupported_media_type",
            body=gzip.compress(b'{"email": "a@example.com", "password": "x"}', mtime=0),
            headers=JSON | {"Content-Encoding": coding},
        )
        for path in ("/api/auth/login", "/api/bookings")
        for coding in ("gzip", "GZIP", "br", "identity, gzip")
    ),
    Case("POST", "/api/auth/login", 411, "length_required", headers=JSON),
    Case(
        "POST",
        "/api/auth/login",
        411,
        "length_required",
        body=b"2\r\n{}\r\n0\r\n\r\n",
        headers=JSON | {"Transfer-Encoding": "chunked"},
    ),
    Case(
        "POST",
        "/api/auth/register",
        411,
        "length_required",
        body=b"19000\r\n" + b" " * 0x19000 + b"\r\n0\r\n\r\n",
        headers=JSON | {"Transfer-Encoding": "chunked"},
    ),
    *(
        Case("POST", path, 413, "body_too_large", body=b" " * size, headers=JSON)
        for path in ("/api/auth/login", "/api/bookings", "/api/nothing")
        for size in (64 * 1024 + 1, 1024 * 1024)
    ),
    *(
        Case("POST", path, 413, "body_too_large", body=b" " * 8 * 1024**2, headers=JSON)
        for path in ("/api/auth/login", "/admin/login/")
    ),
    Case("POST", "/api/nothing", 404, "not_found", body=b" " * 64 * 1024, headers=JSON),
]

CASES = [*BODIES, *BROKEN, *PATHS, *QUERIES, *HEADERS]


@pytest.fixture(scope="module", params=SERVERS)
def target(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Target]:
    with django_db_blocker.unblock():
        user = UserFactory()
        show = ShowFactory(movie=MovieFactory())
        seats = make_seats(show, "SSSS")
        token = issue_tokens(user).access
        environment = dict.fromkeys(RATES, "") | {"DATABASE_URL": database_url()}
    log = tmp_path_factory.mktemp("server") / "log"
    with web_server(log, by=request.param, **environment) as server:
        ids = {"movie": show.movie_id, "theatre": show.theatre_id, "show": show.pk}
        yield Target(server.port, token, ids)
    with django_db_blocker.unblock():
        for seat in seats:
            seat.delete()
        show.delete()
        Movie.objects.all().delete()
        Theatre.objects.all().delete()
        User.objects.all().delete()
        AccessAttempt.objects.all().delete()  # of a login that a case tries
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def raw(target: Target) -> Iterator[RawConnection]:
    raw = RawConnection(target.port)
    yield raw
    raw.close()


def send(case: Case, target: Target, raw: RawConnection) -> Answer:
    headers = dict(case.headers or {})
    if case.token:
        headers["Authorization"] = f"Bearer {target.token}"
    path = case.path.format(**target.ids)
    return raw.call(case.method, path, headers=headers, body=case.body)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_is_a_problem_and_the_connection_goes_on(
    case: Case, target: Target, raw: RawConnection
) -> None:
    answer = send(case, target, raw)
    assert (answer.status, answer.headers["Content-Type"]) == (
        case.status,
        "application/problem+json",
    ), answer.body
    problem = json.loads(answer.body)
    assert (problem["status"], problem["code"]) == (case.status, case.code)
    assert problem["message"] == problem["detail"] != ""
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    if case.method != "HEAD":  # in chunks, its end would wait for an acknowledgement
        assert answer.headers["Content-Length"] == str(len(answer.body))
    if case.flaw:
        assert list(problem["errors"]) == case.flaw.split()
    if case.status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if case.status == 405:
        assert answer.headers["Allow"]
    assert raw.call("GET", "/livez").status == 200


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60
    assert len({str(case) for case in CASES}) > 60


@pytest.mark.parametrize("size", [9 * 1024**2, 2**40])
def test_a_client_that_sends_9_mib_gets_the_answer(target: Target, size: int) -> None:
    """The site reads 8 MiB of it. The server decides whether the connection stays open."""
    with closing(RawConnection(target.port)) as raw:
        length = JSON | {"Content-Length": str(size)}
        answer = raw.call("POST", "/api/auth/login", headers=length, body=b" " * 9 * 1024**2)
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")


def test_a_body_of_unknown_length_is_read_up_to_8_mib(target: Target) -> None:
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    chunked = JSON | {"Transfer-Encoding": "chunked"}
    with closing(RawConnection(target.port)) as raw:
        body = chunk * 7 + b"0\r\n\r\n"
        assert raw.call("POST", "/api/auth/login", headers=chunked, body=body).status == 411
        assert raw.call("GET", "/livez").status == 200


def test_malformed_chunks_cause_no_server_error(target: Target) -> None:
    """gunicorn's parser raises its own errors; granian closes the connection."""
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(RawConnection(target.port)) as raw:
        raw.socket.sendall(head + b"zz\r\n{}\r\n0\r\n\r\n")
        raw.socket.shutdown(socket.SHUT_WR)
        with raw.socket.makefile("rb") as answer:
            assert answer.readline().split(b" ")[1:2] in ([], [b"400"], [b"411"])


def test_two_hosts_are_refused(target: Target) -> None:
    with closing(RawConnection(target.port)) as raw:
        hosts = b"Host: 127.0.0.1\r\nHost: localhost\r\n"
        assert raw.send("GET", b"GET /api/movies HTTP/1.1\r\n" + hosts + b"\r\n").status == 400


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_of_http_1_0_needs_no_host(target: Target, path: str) -> None:
    with closing(RawConnection(target.port)) as raw:
        assert raw.send("GET", f"GET {path} HTTP/1.0\r\n\r\n".encode()).status == 200


LONGEST = 8190  # bytes of a request line or a header field, with its line ending
LONG_PATH = "/api/movies/" + "9" * (LONGEST - len("GET /api/movies/ HTTP/1.1\r\n"))
LONG_TOKEN = "Bearer " + "x" * (LONGEST - len("Authorization: Bearer \r\n"))
LONG_KEY = "k" * (LONGEST - len("Idempotency-Key: \r\n"))


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", LONG_PATH, {}, 404, "not_found"),
        ("GET", "/api/auth/me", {"Authorization": LONG_TOKEN}, 401, "token_invalid"),
        ("GET", "/api/movies", {"Accept": "x/y;" + "z" * 8000}, 406, "not_acceptable"),
        ("POST", "/api/bookings", {"Idempotency-Key": LONG_KEY}, 400, "idempotency_key_invalid"),
    ],
)
def test_what_reaches_the_app_is_a_problem_that_the_client_can_read(
    raw: RawConnection,
    target: Target,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    origin = settings.CORS_ALLOWED_ORIGINS[0]
    token = {"Authorization": f"Bearer {target.token}"}
    answer = raw.call(method, path, headers=token | headers | JSON | {"Origin": origin}, body=b"{}")
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Date"]  # which clients may read


def test_the_longest_request_line_and_header_reach_the_app(
    target: Target, raw: RawConnection
) -> None:
    start = "GET /api/movies?search= HTTP/1.1"
    longest = f"/api/movies?search={'x' * (LONGEST - len(start) - 2)}"
    assert raw.call("GET", longest).status == 400
    long_header = {"X-Long": "x" * (LONGEST - len("X-Long: ") - 2)}
    assert raw.call("GET", "/api/movies", headers=long_header).status == 200


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/movies/" + "9" * 70_000, {}, 414),
        ("/api/movies", {"X-Long": "x" * 1_000_000}, 431),
        ("/api/movies", {f"X-{number}": "1" for number in range(110)}, 431),
    ],
    ids=["request line", "header field", "header fields"],
)
def test_what_the_server_rejects_is_as_documented(
    target: Target, path: str, headers: dict[str, str], status: int
) -> None:
    """See docs/errors.md."""
    with closing(RawConnection(target.port)) as raw:
        answer = raw.call("GET", path, headers=headers)
    assert answer.status == status
    assert answer.headers["Content-Type"] != "application/problem+json"
