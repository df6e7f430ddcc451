"""Logs one line for each request and updates the metrics."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.signals import request_finished
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty

from booking_site.observability import metrics

Handler = Callable[[HttpRequest], HttpResponse]

PROBES = {"/livez", "/readyz", "/metrics"}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

log = structlog.get_logger().bind(logger="booking_site.requests")
# Django returns the connection on the same signal, and connected to it earlier.
request_finished.connect(metrics.count_pool)


class _StatementCounter:
    """An execute wrapper that counts the SQL statements of a request."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., Any], *rest: Any) -> Any:
        self.count += 1
        return execute(*rest)


def observe(get_response: Handler) -> Handler:
    """Log and count every request except probes, without its body, headers or query."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info in PROBES:
            return get_response(request)
        structlog.contextvars.bind_contextvars(request_id=request.request_id)  # type: ignore[attr-defined]
        try:
            return _observed(get_response, request)
        finally:
            structlog.contextvars.clear_contextvars()

    return middleware


def _observed(get_response: Handler, request: HttpRequest) -> HttpResponse:
    began = time.perf_counter()
    statements = _StatementCounter()
    with connection.execute_wrapper(statements):
        response = get_response(request)
    seconds = time.perf_counter() - began
    route = _route(request)
    method = request.method if request.method in _METHODS else "other"
    metrics.count_request(method=method, route=route, response=response, seconds=seconds)
    busy = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    with suppress(OSError):  # for example, the disk is full
        log.log(
            logging.WARNING if busy else logging.INFO,
            "request",
            method=method,
            route=route,
            status=response.status_code,
            user_id=_user_id(request),
            duration_ms=round(seconds * 1000, 1),
            sql=statements.count,
        )
    return response


def _route(request: HttpRequest) -> str:
    """Return the pattern of the address: addresses are unlimited in number and contain data."""
    if request.resolver_match is not None:
        return request.resolver_match.route
    return "static" if request.path_info.startswith(settings.STATIC_URL) else "none"


def _user_id(request: HttpRequest) -> int | None:
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject) and user._wrapped is empty:
        return None  # no view needed the user, so the log does not load it
    return getattr(user, "pk", None)
