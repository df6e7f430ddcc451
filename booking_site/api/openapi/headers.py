"""Describes the headers of responses."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from booking_site.api.openapi.values import COUNT
from booking_site.api.problems import ProblemType

Headers = dict[str, Any]

_DRAFT = "draft-ietf-httpapi-ratelimit-headers-11"
_RATE_LIMITS = ("RateLimit", "RateLimit-Policy")
HEADERS = {
    "Content-Language": {
        "description": "The language of `message` and `errors`, chosen by `Accept-Language`.",
        "schema": {"type": "string"},
        "example": "en",
    },
    "ETag": {
        "description": "Weak validator of the response; send it back in `If-None-Match`.",
        "schema": {"type": "string"},
        "example": 'W/"2bb6b3c3a1f0c9d8e7f6"',
    },
    "Idempotency-Replayed": {
        "description": "`true` if this repeats the response to an earlier request with this key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Layout-Fingerprint": {
        "description": "The fingerprint of the layout with these seats.",
        "schema": {"type": "string"},
        "example": "1-5913eb4c3ecf8a48",
    },
    "Link": {
        "description": "Other pages (RFC 8288): `first`, `prev`, `next` and `last`.",
        "schema": {"type": "string"},
        "example": '<https://cinema.example/api/movies?page=2>; rel="next"',
    },
    "Location": {
        "description": "URL of the hold.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": f"By limit: the remaining calls (`r`), and the seconds until more are"
        f" available (`t`; {_DRAFT}). Absent if no limit counted the call.",
        "schema": {"type": "string"},
        "example": '"booking";r=59;t=60, "booking_address";r=299;t=60',
    },
    "RateLimit-Policy": {
        "description": f"The limits of this call by name: `q` calls in `w` seconds ({_DRAFT}).",
        "schema": {"type": "string"},
        "example": '"booking";q=60;w=60, "booking_address";q=300;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before a retry, if one can succeed.",
        "schema": COUNT,
        "example": 2,
    },
    "WWW-Authenticate": {
        "description": "The scheme of the token.",
        "schema": {"type": "string"},
        "example": "Bearer",
    },
    "X-Request-ID": {
        "description": "Identifies the request in the logs: the client's, or a random one.",
        "schema": {"type": "string"},
    },
    "X-Total-Count": {
        "description": "The number of items on all pages.",
        "schema": COUNT,
        "example": 8,
    },
}

# Errors with these statuses may have Retry-After.
_RETRYABLE = {
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
}


def ref(kind: str, name: str) -> dict[str, str]:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def headers_of_problems(problems: Collection[ProblemType]) -> Headers:
    """Return the headers of an error response with one of these problems."""
    names = ["X-Request-ID", "Content-Language", *_RATE_LIMITS]
    statuses = {problem.status for problem in problems}
    if statuses & _RETRYABLE:
        names.append("Retry-After")
    if HTTPStatus.UNAUTHORIZED in statuses:
        names.append("WWW-Authenticate")
    return {name: ref("headers", name) for name in names}


def describe_headers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the headers of successful responses.

    A hook of drf-spectacular that runs before `describe_problems`.
    """
    for path in result["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                names = _names(operation, status)
                response["headers"] = {name: ref("headers", name) for name in names}
    result["components"]["headers"] = HEADERS
    return result


def _names(operation: dict[str, Any], status: str) -> list[str]:
    parameters = {each["name"] for each in operation.get("parameters", ())}
    names = ["X-Request-ID", *_RATE_LIMITS]  # every operation is limited
    if "If-None-Match" in parameters:
        names.append("ETag")
    if "page" in parameters and status == "200":
        names += ["Link", "X-Total-Count"]
    if "Idempotency-Key" in parameters:
        names.append("Idempotency-Replayed")
    if operation["operationId"] == "show_seats_list":
        names.append("Layout-Fingerprint")
    if status == "202" or operation["operationId"] == "bookings_create":
        names.append("Content-Language")
    if operation["operationId"] == "holds_create":
        names.append("Location")
    return names
