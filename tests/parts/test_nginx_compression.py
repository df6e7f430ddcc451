"""What nginx compresses, and what it leaves as the site sends it."""

import gzip
from contextlib import closing

import brotli
import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import issue_tokens
from catalog.models import Show
from tests.parts.nginx import MAP_ROUTE, Proxied, book, seat_map_path
from tests.web import SERVERS, Answer, RawConnection

pytestmark = pytest.mark.django_db(transaction=True)

DECODERS = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}


def decoded(answer: Answer) -> bytes:
    """Decode the body once. It has the length that its header announces, if there is one."""
    assert answer.headers.get("Content-Length", str(len(answer.body))) == str(len(answer.body))
    return DECODERS[answer.headers["Content-Encoding"]](answer.body)


@pytest.mark.parametrize("proxied", SERVERS, indirect=True)
@pytest.mark.parametrize("personal", [False, True], ids=["cached", "with a token"])
def test_every_reader_gets_the_coding_that_it_accepts(
    proxied: Proxied, show: Show, user: User, personal: bool
) -> None:
    caller = {"Authorization": f"Bearer {issue_tokens(user).access}"} if personal else {}
    path = seat_map_path(show)
    plain = proxied.get(path, **caller)
    for _ in range(5):
        for accepted, coding in [
            ("gzip", "gzip"),
            ("gzip, deflate, br, zstd", "br"),
            ("gzip;q=0", None),
            ("br;q=0.1, gzip;q=0.2", "gzip"),
            ("identity", None),
        ]:
            answer = proxied.get(path, Accept_Encoding=accepted, **caller)
            assert answer.headers["Content-Encoding"] == coding
            assert decoded(answer) == plain.body
            assert answer.headers["Content-Length"] == str(len(answer.body))
            assert answer.headers["ETag"] == plain.headers["ETag"]
            assert "Accept-Encoding" in answer.headers["Vary"]
            etag = answer.headers["ETag"]
            unchanged = proxied.get(path, Accept_Encoding=accepted, If_None_Match=etag, **caller)
            assert (unchanged.status, unchanged.body) == (304, b"")
            assert unchanged.headers["Content-Encoding"] is None


def test_the_cache_stores_compressed_responses(proxied: Proxied, show: Show) -> None:
    path = seat_map_path(show)
    for _ in range(50):
        assert proxied.get(path, Accept_Encoding="br").headers["Content-Encoding"] == "br"
        assert proxied.get(path, Accept_Encoding="gzip").headers["Content-Encoding"] == "gzip"
    assert proxied.requests(MAP_ROUTE) < 50


def test_head_announces_the_compressed_length(proxied: Proxied, show: Show, user: User) -> None:
    caller = {"Authorization": f"Bearer {issue_tokens(user).access}"}
    got = proxied.get(seat_map_path(show), Accept_Encoding="gzip", **caller)
    with closing(RawConnection(proxied.port)) as raw:
        headers = {"Accept-Encoding": "gzip", **caller}
        head = raw.call("HEAD", seat_map_path(show), headers=headers)
    for name in ("Content-Encoding", "Content-Length", "ETag"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/", "text/html"),
        ("/admin/login/", "text/html"),
        ("/static/back_office/office.css", "*/*"),
        ("/static/back_office/room.js", "*/*"),
        ("/static/unfold/js/alpine/alpine.js", "*/*"),
    ],
)
def test_nginx_compresses_pages_and_files(proxied: Proxied, path: str, accept: str) -> None:
    plain = proxied.get(path, Accept=accept)
    assert (plain.status, plain.headers["Content-Encoding"]) == (200, None)
    answer = proxied.get(path, Accept=accept, Accept_Encoding="br, gzip", Via="1.1 other")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < len(plain.body)
    assert "Accept-Encoding" in ", ".join(answer.headers.get_all("Vary", []))
    refused = proxied.get(path, Accept=accept, Accept_Encoding="gzip;q=0")
    assert refused.headers["Content-Encoding"] is None


def test_responses_with_secrets_are_not_compressed(
    proxied: Proxied, show: Show, user: User, staff: User, client: Client
) -> None:
    token = issue_tokens(user).access
    for seat in show.seats.all()[:5]:
        assert book(proxied, seat, token).status == 201
    export = proxied.get(
        "/api/auth/me/export", Authorization=f"Bearer {token}", Accept_Encoding="br, gzip"
    )
    assert (export.status, export.headers["Content-Encoding"]) == (200, None)
    assert len(export.body) > 1024
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    pages = {
        path: proxied.get(path, Cookie=cookie, Accept="text/html", Accept_Encoding="gzip")
        for path in ("/admin/second-factor/", "/admin/password_change/")
    }
    assert {page.status for page in pages.values()} == {200}
    codings = {path: page.headers["Content-Encoding"] for path, page in pages.items()}
    assert codings == {"/admin/second-factor/": None, "/admin/password_change/": "gzip"}
