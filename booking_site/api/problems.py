"""Error responses: problem documents (RFC 9457), or HTML pages for browsers outside the API."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from rest_framework import exceptions
from rest_framework.request import Request

from booking_site.api.errors import DomainError
from booking_site.api.negotiation import preferred_type
from booking_site.languages import Sentence, set_content_language
from booking_site.postgres.migrated import MIGRATED, is_migrated
from booking_site.postgres.pipeline import CommitUnknown


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of error: its stable code, its status and its meaning.

    `members` are the OpenAPI schemas of its extra members, by name.
    """

    code: str
    status: HTTPStatus
    meaning: Sentence  # also the default message
    members: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def title(self) -> str:
        return self.code.replace("_", " ").capitalize()

    @property
    def uri(self) -> str:
        return f"/api/docs/errors#{self.code}"


# The errors that any request can get, by code; those of business rules are DomainErrors.
GENERAL = {
    code: ProblemType(code, HTTPStatus(status), meaning)
    for code, status, meaning in (
        ("bad_request", 400, _("The request cannot be understood.")),
        ("validation_failed", 400, _("Some of the input is not valid.")),
        ("not_authenticated", 401, _("Please log in first.")),
        ("permission_denied", 403, _("You are not allowed to do this.")),
        ("csrf_failed", 403, _("This form has expired. Reload the page and try again.")),
        ("not_found", 404, _("There is nothing at this address.")),
        ("method_not_allowed", 405, _("This address does not support the method of the request.")),
        ("not_acceptable", 406, _("This address can't answer in any of the accepted media types.")),
        ("length_required", 411, _("A body with a Content-Length header is required.")),
        (
            "body_too_large",
            413,
            _("A request body can have at most 64 KiB, and a back-office form at most 2 MiB."),
        ),
        ("unsupported_media_type", 415, _("The body must be application/json in UTF-8.")),
        ("throttled", 429, _("Too many requests. Try again later.")),
        ("internal_error", 500, _("Something went wrong on our side. It has been recorded.")),
        ("busy", 503, _("We are very busy right now. Please try again in a moment.")),
        ("not_ready", 503, _("The service is not ready yet.")),
        (
            "outcome_unknown",
            503,
            _(
                "We could not determine whether this was saved. Please check before you try again."
                " You can safely repeat the same purchase: nothing is sold twice."
            ),
        ),
    )
}

# Other exceptions of DRF have our codes as their `default_code`.
_CODES: dict[type[Exception], str] = {
    Http404: "not_found",
    PermissionDenied: "permission_denied",
    exceptions.AuthenticationFailed: "not_authenticated",
    exceptions.ParseError: "bad_request",
}

BUSY_RETRY_SECONDS = 2
READY_RETRY_SECONDS = 5
# psycopg raises InternalError for these, which otherwise means a bug: idle-in-transaction and
# transaction timeouts, and a primary that has become a standby.
_BUSY_SQLSTATES = {"25P03", "25P04", "25006"}


def catalogue() -> dict[str, ProblemType]:
    """Return every kind of error by its code."""
    domain = {
        error.code: ProblemType(error.code, HTTPStatus(error.status), meaning, error.members)
        for error in _subclasses(DomainError)
        for meaning in [(error.__doc__ or "").strip().partition("\n")[0]]
    }
    return dict(sorted({**GENERAL, **domain}.items()))


def _subclasses(error: type[DomainError]) -> Iterator[type[DomainError]]:
    for subclass in error.__subclasses__():
        if "code" in vars(subclass):
            yield subclass
        yield from _subclasses(subclass)


def _is_busy(error: BaseException) -> bool:
    """Return whether the database was unavailable or too slow, rather than the query wrong."""
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    if isinstance(error, InternalError) and sqlstate is None:
        # psycopg raises it if PgBouncer loses its connection to PostgreSQL at BEGIN, which then has
        # two results: PgBouncer's error, and the end of the connection.
        return True
    return isinstance(error, (OperationalError, InterfaceError)) or sqlstate in _BUSY_SQLSTATES


def _may_be_unmigrated(error: BaseException) -> bool:
    """Return whether the query may have failed because migrations were missing."""
    if MIGRATED.is_set() or not isinstance(error, ProgrammingError):
        return False
    with suppress(DatabaseError):
        is_migrated()  # so that an error after `migrate` is a 500 again
    return True


def in_api(request: HttpRequest | Request) -> bool:
    return request.path_info == "/api" or request.path_info.startswith("/api/")


class ProblemResponse(HttpResponse):
    """A problem document. `code` is the code in it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.code: str = document["code"]
        super().__init__(
            json.dumps(document, ensure_ascii=False, cls=DjangoJSONEncoder),
            status=document["status"],
            content_type="application/problem+json",
        )
        set_content_language(self)


def problem_response(
    request: HttpRequest | Request,
    problem: ProblemType,
    *,
    message: Sentence | None = None,
    retry_after: int | None = None,
    errors: Mapping[str, list[str]] | None = None,
    **facts: Any,
) -> HttpResponse:
    """Render one error. `message` is for the customer, `facts` become extra members."""
    detail = message or problem.meaning
    document = {
        **facts,
        "type": problem.uri,
        "title": problem.title,
        "status": problem.status.value,
        "detail": detail,
        "code": problem.code,
        "message": detail,
        "request_id": getattr(request, "request_id", None),
    }
    if problem.status is HTTPStatus.BAD_REQUEST:
        document["errors"] = errors or {}
    response = ProblemResponse(document)
    response["Cache-Control"] = "no-store"
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    if problem.status is HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def error_response(
    request: HttpRequest | Request, code: str, *, retry_after: int | None = None
) -> HttpResponse:
    """Render a general error: an HTML page for a browser outside the API, else a problem."""
    problem = GENERAL[code]
    offered = ["application/problem+json", "text/html"]
    if in_api(request) or preferred_type(request, offered) != "text/html":
        return problem_response(request, problem, retry_after=retry_after)
    # Without the request: its context processors would query a database that may be down.
    page = render_to_string(
        "site/error.html",
        {
            "problem": problem,
            "request_id": getattr(request, "request_id", ""),
            "in_back_office": request.path_info.startswith("/admin/"),
        },
    )
    response = HttpResponse(page, status=problem.status, headers={"Cache-Control": "no-store"})
    set_content_language(response)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def unavailable_response(
    request: HttpRequest | Request, error: BaseException
) -> HttpResponse | None:
    """Return a 503 if the database was unavailable, too slow or not migrated, else None."""
    if _is_busy(error):
        # If COMMIT was sent, it may have succeeded.
        code = "outcome_unknown" if isinstance(error, CommitUnknown) else "busy"
        seconds = BUSY_RETRY_SECONDS
    elif _may_be_unmigrated(error):
        code, seconds = "not_ready", READY_RETRY_SECONDS
    else:
        return None
    # For the log line of the request.
    structlog.contextvars.bind_contextvars(database=str(error).strip())
    return error_response(request, code, retry_after=seconds)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Return the response to an exception of an API view; None makes Django log it as a 500."""
    request: Request = context["request"]
    if isinstance(error, DomainError):
        problem = ProblemType(error.code, HTTPStatus(error.status), error.message)
        return problem_response(request, problem, retry_after=error.retry_after, **error.facts)
    if unavailable := unavailable_response(request, error):
        return unavailable
    if isinstance(error, exceptions.ValidationError):
        errors = dict(_flatten(error.detail))
        return problem_response(
            request, GENERAL["validation_failed"], message=_sentence(errors), errors=errors
        )
    if isinstance(error, exceptions.Throttled):
        wait = max(1, math.ceil(getattr(error, "wait", None) or 1))
        message = ngettext(
            "Too many requests. Try again in %(seconds)d second.",
            "Too many requests. Try again in %(seconds)d seconds.",
            wait,
        ) % {"seconds": wait}
        return problem_response(request, GENERAL["throttled"], message=message, retry_after=wait)
    default = getattr(error, "default_code", "")
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), default)
    return problem_response(request, GENERAL[code]) if code in GENERAL else None


def _flatten(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield (dotted path, sentences) for each invalid field in DRF's nested error detail."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _flatten(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list) and any(isinstance(inner, dict) for inner in detail):
        for index, inner in enumerate(detail):
            yield from _flatten(inner, f"{path}.{index}")
    elif detail:
        sentences = detail if isinstance(detail, list) else [detail]
        yield path or "non_field_errors", [str(sentence) for sentence in sentences]


def _sentence(errors: Mapping[str, list[str]]) -> str:
    """Return one message for the customer, with the first three errors."""
    messages = [
        sentences[0] if name == "non_field_errors" else f"{name[:60]}: {sentences[0]}"
        for name, sentences in errors.items()
    ]
    return " ".join(messages[:3])
