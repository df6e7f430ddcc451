"""granian copies the process's environment into every request; nothing shows or sends it."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit, urlunsplit

import brotli
import pytest

from tests.web import ROOT, RawConnection, database_url, web_server

CANARY = "canary-of-the-environment-7c3a"
METRICS_TOKEN = "0123456789-abcdefghijklmnop-metrics"


class Collector(ThreadingHTTPServer):
    """A server of Sentry's protocol; `envelopes` are the bodies that it has received."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Collect)
        self.envelopes: list[str] = []
        self.has_crash = Event()


class Collect(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # Sentry's client prefers brotli where it is installed.
        decompress = {"gzip": gzip.decompress, "br": brotli.decompress}
        if coding := self.headers["Content-Encoding"]:
            body = decompress[coding](body)
        self.server.envelopes.append(body.decode())
        if b"RuntimeError" in body:
            self.server.has_crash.set()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def with_password(url: str, password: str) -> str:
    """Return the URL with this password, unless it has one, which a server may check."""
    parts = urlsplit(url)
    if parts.password:
        return url
    user, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{place}"))


def mails_in(folder: Path) -> list[str]:
    """Return the parts of all mails in the folder, decoded."""
    texts = []
    for file in folder.iterdir():
        message = message_from_bytes(file.read_bytes(), policy=default)
        assert isinstance(message, EmailMessage)
        texts += [part.get_content() for part in message.walk() if not part.is_multipart()]
    return texts


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error_pages", ["0", "1"], ids=["production", "error pages"])
def test_nothing_shows_or_sends_the_environment(
    tmp_path: Path, collector: Collector, error_pages: str
) -> None:
    database = with_password(database_url(), CANARY)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.booking_site.observability.reporting_settings",
        "ERROR_PAGES": error_pages,
        "SECRET_KEY": f"0123456789-{CANARY}-secret-key",
        "JWT_SIGNING_KEY": f"0123456789-{CANARY}-signing-key",
        "DATABASE_URL": database,
        # This password is wrong, so the site runs without Redis.
        "REDIS_URL": f"redis://site:{CANARY}@127.0.0.1:1/0",
        "ANY_VARIABLE": CANARY,
        "HTTP_ANY_HEADER": CANARY,
        "METRICS_TOKEN": METRICS_TOKEN,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
        "EMAIL_URL": f"filemail:///{tmp_path / 'mails'}",
        "SENTRY_DSN": f"http://key@127.0.0.1:{collector.server_port}/1",
    }
    (tmp_path / "mails").mkdir()
    answers = {}
    with (
        web_server(tmp_path / "log", **environment) as server,
        closing(RawConnection(server.port)) as raw,
    ):
        bearer = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        answers["/metrics"] = raw.call("GET", "/metrics", headers=bearer)
        answers["forged form"] = raw.call("POST", "/admin/login/", body=b"a=b")
        answers["bad host"] = raw.call("GET", "/admin/", headers={"Host": "evil.example"})
        for path in (
            "/meta",
            "/failing",
            "/nothing",
            "/api/failing",
            "/api/nothing",
            "/admin/login/",
        ):
            answers[path] = raw.call("GET", path)
        # Sentry's client sends in the background.
        assert collector.has_crash.wait(timeout=60)
    pages = {name: f"{answer.headers}{answer.body.decode()}" for name, answer in answers.items()}
    mails = mails_in(tmp_path / "mails")
    log = (tmp_path / "log").read_text()
    # Each place shows or sends something of the request.
    assert "REQUEST_METHOD" in pages["/meta"]
    assert answers["/metrics"].status == 200
    assert answers["forged form"].status == 403
    assert answers["bad host"].status == 400
    assert ("REQUEST_METHOD" in pages["/failing"]) == (error_pages == "1")
    assert any("REQUEST_METHOD" in text for text in mails)
    assert "RuntimeError" in log
    for text in [*pages.values(), *mails, *collector.envelopes, log]:
        assert CANARY not in text
        assert database not in text


def test_runserver_serves_the_same_application() -> None:
    """It copies the environment as well."""
    program = (
        "import django; django.setup();"
        "from django.core.servers.basehttp import get_internal_wsgi_application as application;"
        "print(application().__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "booking_site.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "booking_site.wsgi"
