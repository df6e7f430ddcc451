"""The pages around the API: the front door, health, and what Django calls when something fails."""

import sys
from collections.abc import Callable
from functools import wraps
from threading import Event

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from booking_site.api.problems import (
    GENERAL,
    busy_response,
    catalogue,
    error_response,
    is_busy,
    problem_response,
)

READY_RETRY_SECONDS = 5
MIGRATED = Event()  # migrations are not unapplied under a running server

DOORS = {
    "movies": "/api/movies",
    "docs": "/api/docs",
    "schema": "/api/schema",
    "errors": "/api/docs/errors",
    "admin": "/admin/",
    "live": "/livez",
    "ready": "/readyz",
}


View = Callable[[HttpRequest], HttpResponse]


def read_only(view: View) -> View:
    """Refuse what is neither GET nor HEAD, with an error page of ours."""

    @csrf_exempt  # nothing is changed here, so 405 is the truer answer
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request)
        response = error_response(request, "method_not_allowed")
        response["Allow"] = "GET, HEAD"
        return response

    return guarded


@read_only
def root(request: HttpRequest) -> HttpResponse:
    """Name the service and what can be reached from here."""
    if request.get_preferred_type(["application/json", "text/html"]) == "text/html":
        return HttpResponse(render_to_string("site/root.html", {"doors": DOORS}))
    return JsonResponse({"name": "Movie Booking API", "links": DOORS})


@read_only
def error_catalogue(request: HttpRequest) -> HttpResponse:
    """Explain every problem code; the `type` of a problem document leads here."""
    # Every second part of a meaning stands between backticks: it is code.
    problems = [(problem, problem.meaning.split("`")) for problem in catalogue().values()]
    return HttpResponse(render_to_string("site/problems.html", {"problems": problems}))


@read_only
def livez(request: HttpRequest) -> HttpResponse:
    """Say that this process answers, without asking anybody else."""
    return JsonResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


@read_only
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether requests can be served: PostgreSQL answers and has every migration."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        migrated = _is_migrated()
    except (DatabaseError, InterfaceError):
        return problem_response(
            request, GENERAL["not_ready"], retry_after=READY_RETRY_SECONDS, postgresql="unreachable"
        )
    if not migrated:
        return problem_response(
            request, GENERAL["not_ready"], retry_after=READY_RETRY_SECONDS, postgresql="unmigrated"
        )
    return JsonResponse(
        {"status": "ready", "postgresql": "ok", "redis": _redis_state()},
        headers={"Cache-Control": "no-store"},
    )


def _is_migrated() -> bool:
    if not MIGRATED.is_set():
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            MIGRATED.set()
    return MIGRATED.is_set()


def _redis_state() -> str:
    """Report Redis, which makes things fast and is never needed."""
    try:
        get_redis_connection("default").ping()
    except RedisError:
        return "unreachable"
    return "ok"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, "bad_request")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, "permission_denied")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, "not_found")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_response(request, "csrf_failed")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what nobody handled. Django has logged it with its traceback."""
    error = sys.exception()
    if error is not None and is_busy(error):
        return busy_response(request, error)
    return error_response(request, "internal_error")
