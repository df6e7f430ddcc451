"""Pages outside the API: the root page, health checks and Django's error handlers."""

import logging
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from http import HTTPStatus

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.vary import vary_on_headers
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from booking_site.api.negotiation import preferred_type
from booking_site.api.problems import (
    GENERAL,
    READY_RETRY_SECONDS,
    catalogue,
    error_response,
    problem_response,
    unavailable_response,
)
from booking_site.checks import has_static_files
from booking_site.languages import set_content_language
from booking_site.postgres.migrated import is_migrated
from booking_site.postgres.replica import REPLICA, monitor
from booking_site.redis_client import PROBE

logger = logging.getLogger(__name__)

LINKS = {
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
    """Answer other methods than GET and HEAD with 405, as an error page or problem document."""

    @csrf_exempt  # else a POST would get 403 instead of 405
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request)
        if request.method == "OPTIONS":
            return options_response(["GET", "HEAD"])
        response = error_response(request, "method_not_allowed")
        response["Allow"] = "GET, HEAD, OPTIONS"
        return response

    return guarded


def options_response(methods: Iterable[str]) -> HttpResponse:
    """Return the response to OPTIONS at an address with these other methods."""
    allow = ", ".join([*methods, "OPTIONS"])
    response = HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Allow": allow})
    del response["Content-Type"]
    return response


@read_only
@vary_on_headers("Accept", "Accept-Language")
def root(request: HttpRequest) -> HttpResponse:
    """Show the name of the service and links to its parts."""
    if _prefers_html(request):
        page = HttpResponse(render_to_string("site/root.html", {"links": LINKS}))
        set_content_language(page)
        return page
    return _links()


@read_only
@vary_on_headers("Accept")
def api_root(request: HttpRequest) -> HttpResponse:
    """Redirect browsers to the docs; return links to the parts of the service to programs."""
    return HttpResponseRedirect(LINKS["docs"]) if _prefers_html(request) else _links()


def _prefers_html(request: HttpRequest) -> bool:
    return preferred_type(request, ["application/json", "text/html"]) == "text/html"


def _links() -> HttpResponse:
    return JsonResponse({"name": "Movie Booking API", "links": LINKS})


@read_only
def error_catalogue(request: HttpRequest) -> HttpResponse:
    """Explain every problem code; the `type` of a problem document links here."""
    # Every second part of a meaning is between backticks, so it is code.
    problems = [(problem, str(problem.meaning).split("`")) for problem in catalogue().values()]
    return HttpResponse(render_to_string("site/problems.html", {"problems": problems}))


@read_only
def livez(request: HttpRequest) -> HttpResponse:
    """Report that this process responds; PostgreSQL and Redis are not checked."""
    return JsonResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


@read_only
def readyz(request: HttpRequest) -> HttpResponse:
    """Report whether requests can be served: PostgreSQL accepts writes and has every migration."""
    state = _postgres_state()
    if state != "ok":
        return problem_response(
            request, GENERAL["not_ready"], retry_after=READY_RETRY_SECONDS, postgresql=state
        )
    return JsonResponse(
        {
            "status": "ready",
            "postgresql": state,
            "redis": _redis_state(),
            **_replica_state(),
            "static_files": "ok" if has_static_files() else "not_collected",
        },
        headers={"Cache-Control": "no-store"},
    )


def _postgres_state() -> str:
    """Return `ok`, or why PostgreSQL is not ready, which the log explains."""
    role = ""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('transaction_read_only'), current_user")
            read_only, role = cursor.fetchone()
            if read_only == "on":
                logger.error("Not ready: the database is read-only, such as a standby.")
                return "read_only"
        if is_migrated():
            return "ok"
        logger.error("Not ready: run manage.py migrate.")
    except (OperationalError, InterfaceError) as error:
        logger.error("Not ready: %s", error)
        return "unreachable"
    except DatabaseError as error:  # e.g. a role without rights
        logger.error("Not ready: PostgreSQL refuses the role %s: %s", role, error)
        return "refused"
    return "unmigrated"


def _redis_state() -> str:
    """Return the state of Redis, without which the site still works, but more slowly."""
    try:
        # A Redis that refuses to write answers a PING.
        get_redis_connection("default").set(PROBE, "", ex=1)
    except RedisError:
        return "unreachable"
    return "ok"


def _replica_state() -> dict[str, str]:
    """Return the state of the replica, if there is one; without it, the primary answers."""
    if REPLICA not in settings.DATABASES:
        return {}
    monitor.start()
    return {"replica": monitor.state}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, "bad_request")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, "permission_denied")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, "not_found")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_response(request, "csrf_failed")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an unhandled exception, which Django has logged with its traceback."""
    error = sys.exception()
    unavailable = unavailable_response(request, error) if error is not None else None
    return unavailable or error_response(request, "internal_error")
