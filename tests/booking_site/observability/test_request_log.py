"""The log line and the metrics of a request, access to the metrics, and crash reports."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
import structlog
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.test import Client, RequestFactory
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient
from sentry_sdk.transport import Transport
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.processors import JSONRenderer
from structlog.testing import capture_logs

from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.observability import metrics, request_log, sentry
from booking_site.redis_client import Breaker
from bookings.models import Hold
from catalog.models import Seat
from tests.bookings.calls import book, book_seats, bought, held, let_expire
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import SERVERS, Answer, RawConnection, database_url, wait_until, web_server

TOKEN = "a-token-of-more-than-thirty-two-bytes"


@pytest.fixture
def seats(db: None) -> list[Seat]:
    return make_seats(ShowFactory(), "SSSSSS")


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured


def of_requests(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "request"]


def value_of(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def increase() -> Callable[..., float]:
    """Return the increase of a metric since the last call; 0 the first time."""
    before: dict[Any, float] = {}

    def difference(name: str, **labels: str) -> float:
        key = (name, *sorted(labels.items()))
        now = value_of(name, **labels)
        last, before[key] = before.get(key, now), now
        return now - last

    return difference


# The log


def test_a_request_logs_one_line(
    customer: APIClient, user: User, seats: list[Seat], lines: list[Any]
) -> None:
    customer.get(f"/api/shows/{seats[0].show_id}/seats?fields=")
    book_seats(customer, seats[0])
    read, purchase = of_requests(lines)
    assert (read["route"], read["status"]) == ("api/shows/<bigint:show_id>/seats", 200)
    assert (purchase["method"], purchase["route"]) == ("POST", "api/bookings")
    assert (purchase["status"], purchase["user_id"]) == (201, user.pk)
    assert read["sql"] == 3 < purchase["sql"]  # a room that is drawn for the first time
    assert purchase["duration_ms"] > 0


def test_the_log_distinguishes_staff_from_anonymous_users(
    office: Client, staff: User, api: APIClient, lines: list[Any]
) -> None:
    office.get("/admin/")
    office.get("/")  # does not load the user, so neither does the log
    api.get("/api/movies")
    api.get("/static/back_office/icon.svg").close()
    api.get("/nothing/here")
    found = [(line["route"], line["user_id"]) for line in of_requests(lines)]
    assert found == [
        ("admin/", staff.pk),
        ("", None),
        ("api/movies", None),
        ("static", None),
        ("none", None),
    ]


@pytest.mark.urls("tests.booking_site.urls")
@pytest.mark.parametrize("path", ["/api/impatient?sqlstate=57014", "/impatient"])
def test_a_busy_database_is_reported_in_the_line_of_the_request(
    db: None, client: Client, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    client.raise_request_exception = False
    with capture_logs(processors=[merge_contextvars]) as lines:
        assert client.get(path).status_code == 503
    [line] = lines
    assert (line["log_level"], line["status"]) == ("warning", 503)
    assert line["database"]
    assert caplog.records == []


def test_a_full_disk_under_the_log_fails_no_request(
    api: APIClient, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TextIOWrapper(FileIO("/dev/full", "w"), write_through=True) as full:
        log = structlog.wrap_logger(structlog.WriteLogger(full), processors=[JSONRenderer()])
        with pytest.raises(OSError, match="No space left"):
            log.info("request")
        monkeypatch.setattr(request_log, "log", log)
        assert api.get("/api/movies").status_code == 200


def test_probes_are_not_logged(api: APIClient, db: None, lines: list[Any]) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        api.get(path)
    assert of_requests(lines) == []


# The metrics


def test_a_request_is_counted_by_route_and_status(
    api: APIClient, db: None, increase: Callable[..., float]
) -> None:
    where = {"method": "GET", "route": "api/movies/<bigint:pk>", "status": "404"}
    increase("booking_requests_total", **where)
    api.get("/api/movies/1")
    api.get("/api/movies/2")
    assert increase("booking_requests_total", **where) == 2
    odd = {"method": "other", "route": "none", "status": "404"}
    increase("booking_requests_total", **odd)
    api.generic("BREW", "/pot")
    assert increase("booking_requests_total", **odd) == 1


def test_purchases_are_counted_by_outcome(
    customer: APIClient, seats: list[Seat], increase: Callable[..., float]
) -> None:
    names = [
        ("booking_outcomes_total", {"code": "created"}),
        ("booking_outcomes_total", {"code": "seat_unavailable"}),
        ("booking_replays_total", {}),
    ]
    for name, labels in names:
        increase(name, **labels)
    book_seats(customer, seats[0], key="k")
    book_seats(customer, seats[0], key="k")
    book_seats(customer, seats[0], key="other")
    assert [increase(name, **labels) for name, labels in names] == [1, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_holds_are_counted_by_event(customer: APIClient, increase: Callable[..., float]) -> None:
    events = ("made", "booked", "released")

    def counts() -> list[float]:
        return [increase("booking_holds_total", event=event) for event in events]

    counts()
    first, second, third, fourth = (make_seats(ShowFactory(), "SSS") for _ in range(4))
    book(customer, hold_id=held(customer, *first)["id"])
    held(customer, *second)
    held(customer, *second[:2])  # replaced, not made
    bought(customer, *second)
    customer.delete(f"/api/holds/{held(customer, *third)['id']}", {}, format="json")
    let_expire(held(customer, *fourth)["id"])
    call_command("release_expired_holds", verbosity=0)
    assert Hold.objects.filter(ended_at=None).count() == 0
    assert counts() == [4, 2, 1]


def test_the_series_of_alerts_exist_before_the_first_event() -> None:
    script = (
        "import django; django.setup()\n"
        "from prometheus_client import generate_latest\n"
        "from booking_site.observability import metrics\n"
        "print(generate_latest().decode())"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "booking_site.settings"}
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    for series in (
        'booking_holds_total{event="made"} 0.0',
        'booking_holds_total{event="booked"} 0.0',
        'booking_outcomes_total{code="outcome_unknown"} 0.0',
    ):
        assert series in done.stdout


def test_the_log_context_is_empty_after_a_request(api: APIClient) -> None:
    api.get("/api/nothing")
    assert get_contextvars() == {}


def test_an_open_breaker_is_in_the_metrics(
    api: APIClient, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker()
    monkeypatch.setattr(metrics, "breaker", breaker)
    for state, act in ((1, lambda: breaker.failed(OSError())), (0, breaker.succeeded)):
        act()
        api.get("/api/movies")
        assert value_of("booking_redis_avoided") == state


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}"])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_without_the_token_there_are_no_metrics(
    api: APIClient, settings: Any, token: str, given: str | None
) -> None:
    settings.METRICS_TOKEN = token
    answer = api.get("/metrics", **({} if given is None else {"HTTP_AUTHORIZATION": given}))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.django_db
def test_the_token_gives_access_to_the_metrics(api: APIClient, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = api.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}", HTTP_HOST="10.0.0.1")
    assert answer.status_code == 200
    assert b"booking_queue_age_seconds 0.0" in answer.content


def scrape(port: int) -> dict[tuple[str, str], float]:
    raw = RawConnection(port)
    answer: Answer = raw.call("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    raw.close()
    assert answer.status == 200
    return {
        (sample.name, sample.labels.get("status", "")): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("server", SERVERS)
def test_metrics_include_all_workers_of_a_server(tmp_path: Path, server: str) -> None:
    UserFactory()
    own = {
        "DATABASE_URL": database_url(),
        "METRICS_TOKEN": TOKEN,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
        "WEB_CONCURRENCY": "2",
    }
    with web_server(tmp_path / "log", by=server, **own) as running:
        port = running.port
        for _ in range(20):  # each on its own connection, so that both workers get some
            raw = RawConnection(port)
            assert raw.call("GET", "/api/movies").status == 200
            raw.close()
        numbers = scrape(port)
        assert numbers["booking_requests_total", "200"] == 20
        assert 1 <= numbers["booking_pool_connections", ""] <= 16
        # The client may ask before the last connection is back.
        wait_until(lambda: scrape(port)["booking_pool_busy", ""] == 0, what="the pool is idle")
        assert numbers["booking_redis_avoided", ""] == 0
        assert scrape(port)["booking_requests_total", "200"] == 20


# Crash reports


class Collected(Transport):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.events += [item.payload.json for item in envelope.items]


def test_a_crash_report_has_a_traceback_and_no_personal_data(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = Collected()
    start = sentry_sdk.init
    monkeypatch.setattr(sentry_sdk, "init", lambda **options: start(**options, transport=collected))
    sentry.start(dsn="https://key@sentry.example/1")
    secret = "-".join(
        ["planted", "secret"]
    )  # so that the source line in the traceback does not contain it

    def crash(*args: Any, **kwargs: Any) -> None:
        password = secret
        raise RuntimeError(f"no\nDETAIL:  Key (email)=({password}@example.com) exists.")

    monkeypatch.setattr("accounts.views.LoginView.post", crash)
    token = issue_tokens(user).access
    request = RequestFactory().post(
        "/api/auth/login",
        json.dumps({"email": user.email, "password": secret}),
        "application/json",
        headers={"Authorization": f"Bearer {token}", "Cookie": f"sessionid={secret}"},
    )
    statuses: list[str] = []
    try:
        # As a server calls it: the test client's own way in is one that Sentry does not see.
        # granian adds the process's environment.
        environ = {**request.environ, "SECRET_KEY": secret}
        WSGIHandler()(environ, lambda status, headers: statuses.append(status))
        sentry_sdk.flush()
    finally:
        sentry_sdk.get_client().close()
        start()
    assert statuses == ["500 Internal Server Error"]
    (event,) = [event for event in collected.events if event and "exception" in event]
    assert event["request"] == {"method": "POST"}
    assert not event.get("breadcrumbs", {}).get("values")
    text = json.dumps(event)
    assert "crash" in text
    assert secret not in text
    assert token not in text
    assert user.email not in text
