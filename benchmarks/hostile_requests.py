"""Malformed requests as bytes: valid ones, broken in one to three ways."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

HUGE_BODY = 9 * 1024 * 1024  # more than the site reads of a body that it refuses

Header = tuple[bytes, bytes]


@dataclass
class Draft:
    """A request in parts. `pieces` of it are sent with pauses between them."""

    method: bytes
    target: bytes
    headers: list[Header]
    body: bytes = b""
    version: bytes = b"HTTP/1.1"
    line_end: bytes = b"\r\n"
    pieces: int = 1
    twists: list[Callable[[bytes], bytes]] = field(default_factory=list)

    def encoded(self) -> bytes:
        """Return the bytes, with a Content-Length unless the headers say how long the body is."""
        named = {name.strip().lower() for name, _ in self.headers}
        headers = list(self.headers)
        if self.body and not named & {b"content-length", b"transfer-encoding"}:
            headers.append((b"Content-Length", b"%d" % len(self.body)))
        lines = [b"%s %s %s" % (self.method, self.target, self.version)]
        lines += [b"%s: %s" % header for header in headers]
        raw = self.line_end.join([*lines, b"", self.body])
        for twist in self.twists:
            raw = twist(raw)
        return raw


def hostile_request(seed: int, number: int, *, token: str) -> Draft:
    """Return the same draft for the same seed and number; `token` is an access token."""
    random = Random(f"{seed}/{number}")  # noqa: S311 - the same requests each time
    draft = _valid(random, token.encode())
    for mutate in random.choices(_MUTATIONS, _WEIGHTS, k=random.randint(1, 3)):
        mutate(random, draft)
    return draft


_ID = b"00000000-0000-4000-8000-000000000000"
_CALLS: list[tuple[bytes, bytes, bytes]] = [
    *((b"GET", path, b"") for path in (b"/", b"/livez", b"/readyz", b"/metrics", b"/nothing")),
    *((b"GET", path, b"") for path in (b"/api/docs", b"/api/schema", b"/admin/login/", b"/api")),
    (b"GET", b"/api/movies?search=the&page=1&page_size=5", b""),
    (b"GET", b"/api/movies/1", b""),
    (b"GET", b"/api/movies/1/shows?from=2026-01-01T00:00:00Z", b""),
    (b"GET", b"/api/theatres/1/shows?date=2026-01-01", b""),
    (b"GET", b"/api/shows/1/seats", b""),
    (b"GET", b"/static/back_office/icon.svg", b""),
    (b"GET", b"/api/auth/me", b""),
    (b"GET", b"/api/auth/me/export", b""),
    (b"PATCH", b"/api/auth/me", b'{"name": "Lena"}'),
    (b"DELETE", b"/api/auth/me", b'{"password": "wrong"}'),
    (b"POST", b"/api/auth/register", b'{"name": "A", "email": "a@example.com", "password": "x"}'),
    (b"POST", b"/api/auth/login", b'{"email": "a@example.com", "password": "wrong"}'),
    (b"POST", b"/api/auth/refresh", b'{"refresh": "a.b.c"}'),
    (b"POST", b"/api/auth/logout", b'{"refresh": "a.b.c"}'),
    (b"POST", b"/api/auth/password/reset", b'{"email": "a@example.com"}'),
    (
        b"POST",
        b"/api/auth/password/reset/confirm",
        b'{"uid": "1", "reset_token": "a-b", "new_password": "seven seals"}',
    ),
    (b"POST", b"/api/auth/email/confirm", b'{"uid": "1", "token": "a-b"}'),
    (b"POST", b"/api/auth/email/resend", b""),
    (b"GET", b"/api/bookings?status=confirmed&upcoming=true", b""),
    (b"POST", b"/api/bookings", b'{"show_id": 1, "seat_ids": [1, 2]}'),
    (b"POST", b"/api/bookings", b'{"hold_id": "%s"}' % _ID),
    (b"POST", b"/api/bookings/1/cancel", b"{}"),
    (b"GET", b"/api/orders/K7Q4-9XWD", b""),
    (b"POST", b"/api/orders/K7Q4-9XWD/cancel", b""),
    (b"POST", b"/api/holds", b'{"show_id": 1, "seat_ids": [3]}'),
    (b"POST", b"/api/holds", b'{"show_id": 1, "quantity": 2}'),
    (b"DELETE", b"/api/holds/" + _ID, b""),
    (b"POST", b"/api/holds/%s/extend" % _ID, b"{}"),
    (b"OPTIONS", b"/api/bookings", b""),
    (b"POST", b"/admin/login/", b"username=a&password=b&csrfmiddlewaretoken=c"),
]


def _valid(random: Random, token: bytes) -> Draft:
    method, target, body = random.choice(_CALLS)
    headers = [(b"Host", b"127.0.0.1"), (b"Idempotency-Key", b"k-%d" % random.randrange(50))]
    if random.random() < 0.7:
        headers.append((b"Authorization", b"Bearer " + token))
    if body:
        form = b"application/x-www-form-urlencoded"
        headers.append((b"Content-Type", form if target[:6] == b"/admin" else b"application/json"))
    return Draft(method, target, headers, body)


_NAMES = (
    *(b"Host", b"Authorization", b"Content-Type", b"Content-Encoding", b"Accept", b"Cookie"),
    *(b"Accept-Encoding", b"Accept-Language", b"Origin", b"Referer", b"Range", b"If-None-Match"),
    *(b"If-Modified-Since", b"X-Request-ID", b"X-Forwarded-For", b"X-Forwarded-Proto", b"Via"),
    *(b"Idempotency-Key", b"Access-Control-Request-Method", b"Upgrade", b"Connection", b"TE"),
    *(b"X-Forwarded-Host", b"X-Forwarded-Port", b"X-Forwarded-Prefix", b"Forwarded", b"X-Real-IP"),
    *(b"X_Forwarded_For", b"SCRIPT_NAME", b"PATH_INFO", b"REMOTE_USER", b"wsgi.url_scheme"),
    *(b"Trailer", b"HTTP2-Settings", b"Keep-Alive", b"Max-Forwards", b"User-Agent", b"Date"),
    *(
        b"Proxy",
        b"X_Request_Id",
        b"Content Length",
        b"Content-Length ",
        b" Host",
        b"",
        b"\xff",
        b"(",
    ),
)
_VALUES = (
    *(b"", b" ", b"\t", b"*", b"*/*", b"-1", b"0", b"null", b"\x00", b"\x7f", b"\xff\xfe", b"a\rb"),
    *(
        b"a\nb",
        b"a\r\n b",
        b"'\"\\,;=",
        b"close",
        b"keep-alive",
        b"upgrade, http2-settings",
        b"h2c",
    ),
    *(b"websocket", b"gzip", b"identity;q=0, *;q=1e9", b"bytes=0-,1-,2-", b'W/"a", *', b"https"),
    *(b"127.0.0.1:99999", b"[::1", b"evil.example", b"\xe2\x82\xac", b"1" * 5000, b"x" * 8185),
    *(b"y" * 70_000, b"application/json; charset=utf-16", b"multipart/form-data; boundary=\xff"),
    *(b"Bearer", b"Bearer " + b"A" * 5000, b"Bearer a.b.c", b"a=b; " * 300, b"Thu, 99 Zzz 0000"),
)
_TARGETS = (
    *(b"*", b"//", b"/../../etc/passwd", b"/%00", b"/%FF", b"/%", b"/%u0041", b"/a b", b"/\xff"),
    *(b"http://evil.example/api/movies", b"evil.example:443", b"/api/movies/" + b"9" * 5000),
    *(
        b"/" + b"a" * 8200,
        b"/?" + b"a=1&" * 1500,
        b"/api/movies?page=%00",
        b"/api/movies?page=\xff",
    ),
    *(b"/api/movies?search=" + b"%F0%9F%A6%81" * 300, b"/api/shows/1/seats/", b"/api//movies", b""),
    *(b"/api/movies;a=b", b"/api/movies#x", b"/api/movies?date=0000-00-00", b"\\api\\movies"),
    *(b"/api/movies/0x1", b"/api/movies/\xd9\xa1", b"/static/../manage.py", b"/static/%2e%2e/a"),
)
_LENGTHS = (b"-1", b"+5", b"0x10", b"5, 5", b"5, 6", b"1e3", b"\xd9\xa5", b"9" * 30, b"00005", b"")
_LENGTHS_NEAR = (-7, -1, 1, 40, 70_000, HUGE_BODY)
_CODINGS = (
    *(b"chunked", b"Chunked", b" chunked", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked"),
    *(b"xchunked", b"identity", b"chunked\x0b", b"\x00chunked", b"", b"chunked;q=1"),
)
_CHUNKS = (
    *(b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n', b"0\r\n\r\n", b"-1\r\n\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
    *(b"2\r\n{}0\r\n\r\n", b"2\r\n{}\r\n0\r\nA: b\r\n\r\n", b'2;x="\r\n{}\r\n0\r\n\r\n'),
    *(
        b"FFFFFFFFFFFFFFFFF\r\n{}",
        b"2\n{}\n0\n\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b" 2\r\n{}\r\n0\r\n\r\n",
    ),
    *(
        b"2\r\n{}\r\n0\r\n" + b"T: u\r\n" * 3000,
        b"1\r\n{\r\n" * 3000,
        b"2;" + b"e" * 9000 + b"\r\n{}",
    ),
)
_BODIES = (
    *(b"[]", b"null", b"\xef\xbb\xbf{}", b"{" * 5000, b"[" * 60_000, b'{"a":' * 3000 + b"1"),
    *(b'{"show_id": 1e400}', b'{"show_id": NaN}', b'{"email": "\\ud800"}', b'{"name": "\\u0000"}'),
    *(b'{"seat_ids": [%s]}' % b"1," * 9, b'{"seat_ids": [%s1]}' % (b"1," * 20_000), b"\x00" * 100),
    *('{"name": "ž"}'.encode("utf-16"), b'{"name": "\xe9"}', b"\x1f\x8b\x08\x00garbage"),
    *(b'{"show_id": %s}' % (b"9" * 5000), b'{"a": 1, "a": 2}', b'{"name": "%s"}' % (b"x" * 66_000)),
)
_NOISE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),  # a TLS ClientHello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    *(b"\r\n" * 20, b"\x00" * 50, b"\n", b"GET /\r\n", b"G" * 70_000, b"QUIT\r\n"),
)


def _method(random: Random, draft: Draft) -> None:
    draft.method = random.choice(
        (
            b"get",
            b"HEAD",
            b"PUT",
            b"TRACE",
            b"CONNECT",
            b"BREW",
            b"G\x00T",
            b"",
            b"M" * 5000,
            b"G(T",
        )
    )


def _target(random: Random, draft: Draft) -> None:
    draft.target = random.choice(_TARGETS)


def _version(random: Random, draft: Draft) -> None:
    draft.version = random.choice(
        (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"HTTP/1.1 x", b"", b"X")
    )


def _line_end(random: Random, draft: Draft) -> None:
    draft.line_end = random.choice((b"\n", b"\r", b"\r\r\n", b"\n\r\n"))


def _header(random: Random, draft: Draft) -> None:
    draft.headers.insert(
        random.randint(0, len(draft.headers)), (random.choice(_NAMES), random.choice(_VALUES))
    )


def _many_headers(random: Random, draft: Draft) -> None:
    draft.headers += [(b"X-%d" % number, b"y") for number in range(random.choice((90, 101, 3000)))]


def _missing_header(random: Random, draft: Draft) -> None:
    draft.headers.pop(random.randrange(len(draft.headers))) if draft.headers else None


def _repeated_header(random: Random, draft: Draft) -> None:
    draft.headers += random.choices(draft.headers or [(b"Host", b"a")], k=random.choice((1, 2, 50)))


def _length(random: Random, draft: Draft) -> None:
    near = b"%d" % max(0, len(draft.body) + random.choice(_LENGTHS_NEAR))
    draft.headers.append((b"Content-Length", random.choice((*_LENGTHS, *[near] * 6))))


def _coding(random: Random, draft: Draft) -> None:
    draft.headers.append((b"Transfer-Encoding", random.choice(_CODINGS)))
    draft.body = random.choice(_CHUNKS)


def _body(random: Random, draft: Draft) -> None:
    draft.body = random.choice(_BODIES)


def _huge_body(random: Random, draft: Draft) -> None:
    draft.body = b'{"name": "%s"}' % (b"x" * random.choice((600_000, 3_000_000, HUGE_BODY)))


def _expecting(random: Random, draft: Draft) -> None:
    draft.headers.append((b"Expect", random.choice((b"100-continue", b"200-ok", b""))))


def _slow(random: Random, draft: Draft) -> None:
    draft.pieces = random.randint(2, 12)


def _cut(random: Random, draft: Draft) -> None:
    share = random.random()
    draft.twists.append(lambda raw: raw[: int(len(raw) * share)])


def _bytes(random: Random, draft: Draft) -> None:
    changes = [(random.random(), random.randrange(256)) for _ in range(random.randint(1, 8))]

    def change(raw: bytes) -> bytes:
        changed = bytearray(raw)
        for place, byte in changes if changed else ():
            changed[int(place * min(len(changed), 2000))] = byte
        return bytes(changed)

    draft.twists.append(change)


def _repeated(random: Random, draft: Draft) -> None:
    times = random.randint(2, 5)
    draft.twists.append(lambda raw: raw * times if len(raw) < 100_000 else raw)


def _noise(random: Random, draft: Draft) -> None:
    noise = random.choice(_NOISE)
    draft.twists.append(random.choice((lambda raw: noise + raw, lambda raw: raw + noise)))


_MUTATIONS: list[Callable[[Random, Draft], None]] = [
    *(_method, _target, _version, _line_end, _header, _many_headers, _missing_header),
    *(_repeated_header, _length, _coding, _body, _huge_body, _expecting, _slow, _cut),
    *(_bytes, _repeated, _noise),
]
_WEIGHTS = [4, 8, 3, 3, 12, 1, 3, 3, 6, 8, 8, 0.3, 2, 1, 5, 8, 3, 2]
