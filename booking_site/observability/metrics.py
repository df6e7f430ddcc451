"""Metrics of this server for Prometheus, summed over its worker processes.

The workers share the folder PROMETHEUS_MULTIPROC_DIR, which is set where the server starts.
Without it (in tests and commands), a process has its own metrics.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from booking_site.api.problems import ProblemResponse, error_response
from booking_site.redis_client import breaker
from booking_site.tasks import queue
from booking_site.tasks.outbox import Backlog

REQUESTS = Counter("booking_requests", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "booking_request_seconds",
    "Time from a request to its response.",
    ["route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
OUTCOMES = Counter(
    "booking_outcomes", "Outcomes of POST /api/bookings: created, or a problem code.", ["code"]
)
REPLAYS = Counter("booking_replays", "Purchases answered with the stored response of their key.")
HOLDS = Counter("booking_holds", "Holds made, booked and released; the others expired.", ["event"])
# Created at the start: alerts see no increase in a series that begins with its first event.
for _event in ("made", "booked", "released"):
    HOLDS.labels(_event)
for _code in ("created", "outcome_unknown"):
    OUTCOMES.labels(_code)
POOL_CONNECTIONS = Gauge(
    "booking_pool_connections", "Open database connections.", multiprocess_mode="livesum"
)
POOL_BUSY = Gauge("booking_pool_busy", "Database connections in use.", multiprocess_mode="livesum")
POOL_WAITING = Gauge(
    "booking_pool_waiting", "Requests that wait for a connection.", multiprocess_mode="livesum"
)
# Of the live process.
LIVE_STREAMS = Gauge(
    "booking_live_streams", "Open streams of live seats.", multiprocess_mode="livesum"
)
LIVE_EVENTS = Counter("booking_live_events", "Changes of seats that were sent to listeners.")
REDIS_AVOIDED = Gauge(
    "booking_redis_avoided",
    "Worker processes that continue without Redis, as it does not respond.",
    multiprocess_mode="livesum",
)
_POOL_LOCK = Lock()


def count_request(*, method: str, route: str, response: HttpResponse, seconds: float) -> None:
    _requests(method, route, response.status_code).inc()
    _seconds(route).observe(seconds)
    if (method, route) == ("POST", "api/bookings"):
        _count_purchase(response)
    REDIS_AVOIDED.set(breaker.is_open)


# Looking up a labelled metric takes as long as counting. Their number is limited.
_requests = cache(REQUESTS.labels)
_seconds = cache(SECONDS.labels)


def count_pool(**signal: Any) -> None:
    """Update the gauges of the pool, after a request has returned its connection."""
    pool = getattr(connection, "pool", None)
    if pool is not None:
        with _POOL_LOCK:  # so that an older state never overwrites a newer one
            state = pool.get_stats()
            POOL_CONNECTIONS.set(state["pool_size"])
            POOL_BUSY.set(state["pool_size"] - state["pool_available"])
            POOL_WAITING.set(state["requests_waiting"])


def _count_purchase(response: HttpResponse) -> None:
    if "Idempotency-Replayed" in response:
        REPLAYS.inc()
    else:
        OUTCOMES.labels(response.code if isinstance(response, ProblemResponse) else "created").inc()


class _DatabaseCollector(Collector):
    """Metrics that each scrape reads from PostgreSQL; if it fails, only that it is not writable."""

    def collect(self) -> Iterator[Metric]:
        try:
            backlogs, is_writable = queue.backlogs(), _is_writable()
        except DatabaseFailure:
            backlogs, is_writable = [], False
        yield GaugeMetricFamily(
            "booking_database_writable",
            "Whether this server reaches PostgreSQL and can write.",
            value=is_writable,
        )
        if backlogs:
            yield from _backlog_metrics(backlogs)


def _is_writable() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only') = 'off'")
        return bool(cursor.fetchone()[0])


def _backlog_metrics(backlogs: list[Backlog]) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "booking_queue_age_seconds",
        "How long ago the oldest task or mail became due that is not done.",
        value=max(backlog.seconds for backlog in backlogs),
    )
    tasks = GaugeMetricFamily(
        "booking_tasks", "Tasks and mails that wait, and those given up.", labels=["status"]
    )
    tasks.add_metric(["waiting"], sum(backlog.waiting for backlog in backlogs))
    tasks.add_metric(["given_up"], sum(backlog.given_up for backlog in backlogs))
    yield tasks


def metrics(request: HttpRequest) -> HttpResponse:
    """Return all metrics to callers with METRICS_TOKEN, and 404 to others."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if not token or not constant_time_compare(given, f"Bearer {token}"):
        return error_response(request, "not_found")
    output = generate_latest(REGISTRY)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        _remove_gauges_of_dead_workers()
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        output = generate_latest(shared)
    stored = CollectorRegistry()
    stored.register(_DatabaseCollector())
    return HttpResponse(output + generate_latest(stored), content_type=CONTENT_TYPE_LATEST)


def _remove_gauges_of_dead_workers() -> None:
    for file in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)  # sends no signal, only checks that the process exists
        except OSError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
