"""Middleware for every request or for calls of the API. The settings define the order."""

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from http import HTTPStatus
from math import ceil
from secrets import token_hex
from threading import Event
from typing import Any
from urllib.parse import unquote_to_bytes

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import gettext

from booking_site.api.problems import GENERAL, error_response, problem_response
from booking_site.http.views import livez, readyz
from booking_site.languages import DEFAULT_LANGUAGE, requested_language
from booking_site.observability.metrics import metrics
from booking_site.postgres.replica import RECENT_WRITE, REPLICA

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]

UNEXPECTED_PROXY = (
    "A request has X-Forwarded-For, which is ignored because NUM_PROXIES is 0. If the site is"
    " behind a proxy, set NUM_PROXIES: otherwise all clients share one address and its limits."
)
VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
MAX_BODY = 64 * 1024
# An imported file can have 1 MiB, and a room's form has a field for each selected seat.
MAX_FORM = 2 * 1024 * 1024
# How much of a refused body is read, and in which steps.
MAX_DISCARDED = 8 * 1024 * 1024
DISCARDED_AT_ONCE = 256 * 1024
BODYLESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
# Responses that contain tokens, or that are valid for a moment only.
NEVER_STORED = re.compile(r"/api/(auth|holds)(/|$)|/api/shows/[0-9]+/seats/events$")
# Responses that are the same for every caller.
SAME_FOR_ALL = re.compile(r"/api/((movies|theatres)(/[0-9]+)?|shows/[0-9]+/(layout|seats/events))")
# Pages for staff and for developers.
IN_ENGLISH = re.compile(r"/(admin|api/docs|api/schema)(/|$)")
# In addition to Authorization where the caller matters.
VARY = ("Origin", "Accept-Encoding")
# The last three can change while the bytes of a response stay the same.
SENT_WITH_304 = ("ETag", "Cache-Control", "Vary", "Link", "X-Total-Count", "Layout-Fingerprint")


def request_id(get_response: Handler) -> Handler:
    """Use the caller's X-Request-ID if it is valid, else a new one; every response has it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        name = given if VALID_REQUEST_ID.fullmatch(given) else token_hex(16)
        request.request_id = name  # type: ignore[attr-defined]
        response = get_response(request)
        response.headers["X-Request-ID"] = name
        return response

    return middleware


def warn_of_unexpected_proxy(get_response: Handler) -> Handler:
    """With NUM_PROXIES=0, warn once that requests seem to come through a proxy."""
    if settings.NUM_PROXIES:
        raise MiddlewareNotUsed
    warned = Event()

    def middleware(request: HttpRequest) -> HttpResponse:
        if "HTTP_X_FORWARDED_FOR" in request.META and not warned.is_set():
            warned.set()
            logger.warning(UNEXPECTED_PROXY)
        return get_response(request)

    return middleware


def content_length(get_response: Handler) -> Handler:
    """Add the Content-Length, and answer HEAD like GET, without the body.

    Without a length, the server sends a body in chunks, and a body that breaks off midway ends
    like a complete one. The last, tiny chunk waits until the client has acknowledged the others.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if isinstance(response, StreamingHttpResponse):
            if "Content-Length" in response.headers or response.status_code in BODYLESS:
                return response
            body = response.getvalue()  # raises what the stream raises
            response.headers["Content-Length"] = str(len(body))
            response.streaming_content = [b"" if request.method == "HEAD" else body]
            return response
        if response.status_code not in BODYLESS:
            response.setdefault("Content-Length", str(len(response.content)))
        if request.method == "HEAD":
            response.content = b""
        return response

    return middleware


def probes(get_response: Handler) -> Handler:
    """Answer health checks and metrics, before the middleware that checks the Host or HTTPS."""
    views = {"/livez": livez, "/readyz": readyz, "/metrics": metrics}

    def middleware(request: HttpRequest) -> HttpResponse:
        return views.get(request.path_info, get_response)(request)

    return middleware


def activate_language(get_response: Handler) -> Handler:
    """Answer customers in the language that Accept-Language prefers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        language = requested_language(request)
        if language in (None, DEFAULT_LANGUAGE) or IN_ENGLISH.match(request.path_info):
            return get_response(request)
        with translation.override(language):
            return get_response(request)

    return middleware


def strip_slash(get_response: Handler) -> Handler:
    """Route `/api/movies/` as `/api/movies`. A redirect would lose the body of a POST."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.endswith("/"):
            request.path_info = request.path_info[:-1]
            request.path = request.path[:-1]
        return get_response(request)

    return middleware


def limit_form(get_response: Handler) -> Handler:
    """Refuse a form of more than 2 MiB."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if _declared_length(request) > MAX_FORM:
            _discard_body(request)
            return error_response(request, "body_too_large")
        return get_response(request)

    return middleware


def mark_recent_writes(get_response: Handler) -> Handler:
    """Set a cookie after each write, so that the browser's reports come from the primary."""
    if REPLICA not in settings.DATABASES:
        raise MiddlewareNotUsed
    # The time starts when the browser receives the response, which is after COMMIT.
    seconds = ceil(settings.REPLICA_MAX_LAG_MS / 1000) + 1

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method not in ("GET", "HEAD"):
            response.set_cookie(
                RECENT_WRITE,
                "1",
                max_age=seconds,
                path="/admin/",
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return middleware


def limit_body(get_response: Handler) -> Handler:
    """Refuse bodies of more than 64 KiB, compressed ones, and those without a Content-Length."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if _declared_length(request) > MAX_BODY:
            _discard_body(request)
            return error_response(request, "body_too_large")
        if "HTTP_TRANSFER_ENCODING" in request.META:
            _discard_body(request)
            return problem_response(request, GENERAL["length_required"])
        if _declared_length(request) and _is_encoded(request):
            return _refuse_encoding(request)
        try:
            if request.META.get("CONTENT_LENGTH"):
                request.body  # noqa: B018 - a view that refuses the request early doesn't read it
        except UnreadablePostError:
            return problem_response(request, GENERAL["bad_request"])
        response = get_response(request)
        if response.status_code != 400 or request.META.get("CONTENT_LENGTH"):
            return response
        # Calls with a body have no query parameters, so the response names one that is unknown.
        if request.method in ("GET", "HEAD") or request.META.get("QUERY_STRING"):
            return response
        # The call requires a body; otherwise it would have succeeded without one.
        return problem_response(request, GENERAL["length_required"])

    return middleware


def _is_encoded(request: HttpRequest) -> bool:
    return request.META.get("HTTP_CONTENT_ENCODING", "").lower() not in ("", "identity")


def _refuse_encoding(request: HttpRequest) -> HttpResponse:
    _discard_body(request)
    message = gettext("Send the body without a Content-Encoding such as gzip.")
    response = problem_response(request, GENERAL["unsupported_media_type"], message=message)
    response["Accept-Encoding"] = "identity"
    return response


def _discard_body(request: HttpRequest) -> None:
    """Read up to 8 MiB of a refused body.

    A server closes a connection whose body was not read, and the client may then see a reset
    instead of the response.
    """
    # Not `request.read`, for which a body without a Content-Length is empty.
    body = request.META["wsgi.input"]
    remaining = min(_declared_length(request) or MAX_DISCARDED, MAX_DISCARDED)
    # The client has disconnected, or its chunks are malformed: each server has its own errors.
    with suppress(Exception):
        while remaining > 0 and (piece := body.read(min(remaining, DISCARDED_AT_ONCE))):
            remaining -= len(piece)


def _declared_length(request: HttpRequest) -> int:
    declared = request.META.get("CONTENT_LENGTH", "")
    return int(declared) if declared.isdecimal() else 0


def require_utf8_query(get_response: Handler) -> Handler:
    """Refuse a query that is not UTF-8. Django would replace its invalid bytes."""

    def middleware(request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "").encode("latin-1")
        if not query or _is_utf8(query):
            return get_response(request)
        names = [pair.partition(b"=")[0] for pair in query.split(b"&") if not _is_utf8(pair)]
        sentence = gettext("This is not valid UTF-8.")
        errors = {unquote_to_bytes(name).decode(errors="replace"): [sentence] for name in names}
        message = " ".join(f"{name[:60]}: {sentence}" for name in list(errors)[:3])
        problem = GENERAL["validation_failed"]
        return problem_response(request, problem, message=message, errors=errors)

    return middleware


def _is_utf8(quoted: bytes) -> bool:
    try:
        unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        return False
    return True


def conditional_get(get_response: Handler) -> Handler:
    """Add ETag, Cache-Control and Vary to responses of the API; answer 304 if the ETag matches."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        headers = response.headers
        is_personal = not SAME_FOR_ALL.fullmatch(request.path_info)
        vary = ("Authorization", *VARY) if is_personal else VARY
        if "Vary" in headers:
            patch_vary_headers(response, vary)
        else:
            headers["Vary"] = ", ".join(vary)
        reading = request.method in ("GET", "HEAD") and response.status_code == 200
        if not reading or NEVER_STORED.match(request.path_info):
            headers["Cache-Control"] = "no-store"
            return response
        if "ETag" not in headers:
            headers["ETag"] = etag_of(response.content)
        if is_personal and "HTTP_AUTHORIZATION" in request.META:
            headers["Cache-Control"] = "private, no-cache"
        else:
            # A layout requested by its fingerprint has a longer one.
            headers.setdefault("Cache-Control", "public, no-cache")
            headers["X-Accel-Expires"] = "1"  # lets deploy/nginx.conf repeat it within a second
        if _matches(request.META.get("HTTP_IF_NONE_MATCH", ""), headers["ETag"]):
            sent = {name: headers[name] for name in SENT_WITH_304 if name in headers}
            return HttpResponseNotModified(headers=sent)
        return response

    return middleware


def cors(get_response: Handler) -> Handler:
    """Call django-cors-headers only for requests with an Origin, as browsers send across sites."""
    cross_origin: Any = CorsMiddleware(get_response)

    def middleware(request: HttpRequest) -> HttpResponse:
        answer: Handler = cross_origin if "HTTP_ORIGIN" in request.META else get_response
        return answer(request)

    return middleware


def allowed_host(get_response: Handler) -> Handler:
    """Refuse a Host that is not in ALLOWED_HOSTS, as CommonMiddleware does for pages."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.get_host()
        return get_response(request)

    return middleware


def etag_of(content: bytes) -> str:
    return f'W/"{blake2b(content, digest_size=16).hexdigest()}"'


def _matches(if_none_match: str, etag: str) -> bool:
    """Compare weakly, as RFC 9110 requires for If-None-Match."""
    if not if_none_match:
        return False
    known = parse_etags(if_none_match)
    return "*" in known or etag.removeprefix("W/") in {each.removeprefix("W/") for each in known}
