"""Debian's nginx with deploy/nginx.conf in front of one web server with two threads."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from django.conf import settings

from accounts.models import User
from accounts.tokens import issue_tokens
from benchmarks.servers import wait_until
from catalog.models import Movie, Show
from tests.factories import MovieFactory
from tests.parts.nginx import MAP_ROUTE, Proxied, book, seat_map_path, serving
from tests.web import SERVERS, Answer, RawConnection, database_url

pytestmark = pytest.mark.django_db(transaction=True)

CLIENT = settings.CORS_ALLOWED_ORIGINS[0]
SLOW_SENDERS = 30
SLOW_READERS = 4  # The web server has two threads.
LONG = 16 * 1024 * 1024  # More than the socket buffers between the web server and nginx take.
READERS = 200
SLOW_STARTS = [
    b"GET /livez",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b",
    b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 900\r\n\r\n{",
    b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
]


# Slow clients


def slow_reader(port: int, path: str) -> socket.socket:
    """Request a long response that bypasses the cache, and read its first byte."""
    reader = socket.socket()
    reader.settimeout(60)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: a=b\r\n\r\n".encode())
    assert reader.recv(1) == b"H"
    return reader


@pytest.mark.parametrize("proxied", SERVERS, indirect=True)
def test_slow_clients_delay_no_request(proxied: Proxied) -> None:
    path = f"/api/movies/{MovieFactory(description='x' * LONG).pk}"
    with ExitStack() as crowd:
        senders = [
            crowd.enter_context(socket.create_connection(("127.0.0.1", proxied.port), timeout=60))
            for _ in range(SLOW_SENDERS)
        ]
        for number, sender in enumerate(senders):
            sender.sendall(SLOW_STARTS[number % len(SLOW_STARTS)])
        readers = [
            crowd.enter_context(slow_reader(proxied.port, path)) for _ in range(SLOW_READERS)
        ]
        for _ in range(5):
            for sender in senders:
                sender.sendall(b"x")
            for reader in readers:
                assert reader.recv(1)
            assert proxied.get("/readyz").status == 200
            assert proxied.get("/api/theatres").status == 200
        # Nothing of the senders has reached the web server.
        assert proxied.requests("api/auth/login") == 0


def test_a_body_in_chunks_reaches_the_site_with_its_length(proxied: Proxied) -> None:
    with closing(RawConnection(proxied.port)) as raw:
        answer = raw.call(
            "POST",
            "/api/auth/login",
            headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
            body=b"2\r\n{}\r\n0\r\n\r\n",
        )
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "validation_failed")


# The cache of public reads


def test_a_rush_of_readers_causes_few_requests_to_the_site(proxied: Proxied, show: Show) -> None:
    start_line = Barrier(READERS, timeout=60)

    def read(_: int) -> Answer:
        with closing(RawConnection(proxied.port)) as raw:
            start_line.wait()
            return raw.call("GET", seat_map_path(show))

    with ThreadPoolExecutor(READERS) as pool:
        answers = list(pool.map(read, range(READERS)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert 1 <= proxied.requests(MAP_ROUTE) <= READERS // 10


def states(answer: Answer) -> dict[int, str]:
    assert answer.status == 200
    return {seat["id"]: seat["state"] for seat in json.loads(answer.body)}


def second_of(answer: Answer) -> float:
    return parsedate_to_datetime(answer.headers["Date"]).timestamp()


def in_a_later_second(first: Answer, call: Callable[[], Answer]) -> Answer:
    """Repeat the call until nginx's clock shows a later second than in the first answer."""
    answers: list[Answer] = []

    def is_later() -> bool:
        answers.append(call())
        return second_of(answers[-1]) > second_of(first)

    wait_until(is_later, what="The next second")
    return answers[-1]


def test_a_booking_is_seen_by_its_buyer_at_once_and_by_others_within_the_second(
    proxied: Proxied, show: Show, user: User
) -> None:
    token = issue_tokens(user).access
    path = seat_map_path(show)
    for seat in show.seats.all()[:5]:
        assert states(proxied.get(path))[seat.pk] == "available"  # now in the cache
        booked = book(proxied, seat, token)
        assert booked.status == 201
        assert states(proxied.get(path, Authorization=f"Bearer {token}"))[seat.pk] == "booked"
        later = in_a_later_second(booked, lambda: proxied.get(path))
        assert states(later)[seat.pk] == "booked"


def test_a_token_or_a_cookie_bypasses_the_cache(proxied: Proxied, show: Show, user: User) -> None:
    token = issue_tokens(user).access
    path = seat_map_path(show)
    for personal in [{"Authorization": f"Bearer {token}"}, {"Cookie": "a=b"}] * 5:
        assert proxied.get(path).status == 200  # now in the cache
        before = proxied.requests(MAP_ROUTE)
        assert proxied.get(path, **personal).status == 200
        assert proxied.requests(MAP_ROUTE) == before + 1


def buyers(answer: Answer) -> set[int | None]:
    return {seat["user_id"] for seat in json.loads(answer.body)}


def test_a_reader_with_an_unusable_token_sees_what_others_see(
    proxied: Proxied, show: Show, user: User
) -> None:
    """Whether the map of another caller, with or without a token, was read just before."""
    token = issue_tokens(user).access
    path = seat_map_path(show)
    seat = show.seats.all()[0]
    assert book(proxied, seat, token).status == 201
    for unusable in ("", "Bearer a.b.c", "Basic YTpi", f"Bearer {issue_tokens(user).refresh}"):
        mine = proxied.get(path, Authorization=f"Bearer {token}")
        seen = proxied.get(path, Authorization=unusable)
        assert (buyers(mine), buyers(seen)) == ({None, user.pk}, {None})
        assert seen.body == proxied.get(path).body
        for public in ("/api/movies", "/api/theatres", f"/api/shows/{show.pk}"):
            answer = proxied.get(public, Authorization=unusable)
            assert (answer.status, answer.body) == (200, proxied.get(public).body)


def test_each_origin_gets_its_own_headers(proxied: Proxied) -> None:
    MovieFactory()
    for _ in range(3):
        assert "Access-Control-Allow-Origin" not in proxied.get("/api/movies").headers
        allowed = proxied.get("/api/movies", Origin=CLIENT)
        assert allowed.headers["Access-Control-Allow-Origin"] == CLIENT
        other = proxied.get("/api/movies", Origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in other.headers


def test_a_cached_response_is_only_for_the_same_accept_and_host(proxied: Proxied) -> None:
    for _ in range(3):
        assert proxied.get("/api/movies", Accept="application/json").status == 200
        assert proxied.get("/api/movies", Accept="text/html").status == 406
        assert proxied.get("/api/movies", Host="evil.example").status == 400
        link = proxied.get("/api/movies", Host="localhost").headers["Link"]
        assert "<https://localhost/api/movies" in link


def test_an_error_is_never_cached(proxied: Proxied) -> None:
    missing = proxied.get("/api/movies/1000000")
    assert missing.status == 404
    Movie.objects.create(pk=1_000_000, title="New")
    assert proxied.get("/api/movies/1000000").status == 200
    with psycopg.connect(database_url()) as locker:
        locker.execute("LOCK list_versions IN ACCESS EXCLUSIVE MODE")
        busy = proxied.get("/api/theatres")
        assert busy.status == 503
    assert proxied.get("/api/theatres").status == 200


def test_nothing_is_served_from_the_cache_without_the_site(proxied: Proxied) -> None:
    first = proxied.get("/api/movies")
    assert first.status == 200
    proxied.app.process.terminate()
    proxied.app.process.wait(timeout=40)
    assert in_a_later_second(first, lambda: proxied.get("/api/movies")).status == 502


def test_a_cached_response_has_its_own_request_id_and_answers_conditional_reads(
    proxied: Proxied, show: Show
) -> None:
    path = seat_map_path(show)
    answers = [proxied.get(path) for _ in range(3)]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 3
    assert proxied.get(path, X_Request_ID="mine-1").headers["X-Request-ID"] == "mine-1"
    assert proxied.get(path, X_Request_ID='"').headers["X-Request-ID"] != '"'
    etag = answers[0].headers["ETag"]
    unchanged = proxied.get(path, If_None_Match=etag)
    assert (unchanged.status, unchanged.headers["ETag"]) == (304, etag)
    assert answers[0].headers["Cache-Control"] == "public, no-cache"
    assert "X-Accel-Expires" not in answers[0].headers


def test_a_cached_response_does_not_report_the_remaining_calls_of_somebody_else(
    proxied: Proxied, show: Show, user: User
) -> None:
    path = seat_map_path(show)
    answers = [proxied.get(path) for _ in range(20)]
    counted = [answer for answer in answers if "RateLimit" in answer.headers]
    assert len(counted) == proxied.requests(MAP_ROUTE) < 20
    assert all(answer.headers["RateLimit-Policy"] for answer in answers)
    token = issue_tokens(user).access
    for _ in range(3):
        assert "RateLimit" in proxied.get(path, Authorization=f"Bearer {token}").headers


def test_the_site_trusts_what_the_proxy_says_of_the_client(proxied: Proxied) -> None:
    """Its own X-Forwarded-Proto, and not the client's."""
    answer = proxied.get("/api/theatres", X_Forwarded_Proto="http")
    assert "<https://127.0.0.1/api/theatres" in answer.headers["Link"]


@pytest.mark.parametrize(
    ("proxies", "statuses"), [("1", [401, 429, 429, 429]), ("2", [401, 401, 429, 429])]
)
def test_limits_count_the_address_that_the_proxies_saw(
    tmp_path: Path, proxies: str, statuses: list[int]
) -> None:
    """With 2, what a proxy in front of nginx has set; never what the client has."""
    body = b'{"email": "nobody@cinema.example", "password": "seven seals in the bay"}'
    with serving(tmp_path, NUM_PROXIES=proxies, THROTTLE_LOGIN="1/hour") as proxied:
        found = []
        for seen in ("198.51.100.1", "198.51.100.2", "198.51.100.1", "9.9.9.9, 198.51.100.2"):
            headers = {"Content-Type": "application/json", "X-Forwarded-For": seen}
            with closing(RawConnection(proxied.port)) as raw:
                answer = raw.call("POST", "/api/auth/login", headers=headers, body=body)
            found.append(answer.status)
    assert found == statuses


def test_a_header_with_an_underscore_does_not_reach_the_site(proxied: Proxied) -> None:
    """granian would read it as X-Forwarded-Proto."""
    with closing(RawConnection(proxied.port)) as raw:
        answer = raw.call("GET", "/api/theatres", headers={"X_Forwarded_Proto": "http"})
    assert "<https://127.0.0.1/api/theatres" in answer.headers["Link"]
