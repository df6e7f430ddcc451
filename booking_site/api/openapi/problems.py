"""Describes problem documents: one component for each code, and the responses they share."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any

from booking_site.api.openapi.headers import headers_of_problems, ref
from booking_site.api.problems import ProblemType, catalogue

# The extension of an operation that lists the codes it can return.
PROBLEMS = "x-problem-codes"
TOKEN_PROBLEMS = frozenset({"token_invalid", "token_expired", "token_revoked"})

# Responses that many operations share, by their codes; those of a single code have its name.
_SHARED = {
    frozenset({"invalid_json", "validation_failed"}): "InvalidBody",
    TOKEN_PROBLEMS: "InvalidToken",
    TOKEN_PROBLEMS | {"not_authenticated"}: "Unauthorized",
    frozenset({"busy", "outcome_unknown"}): "BusyOrOutcomeUnknown",
}

_COMMON = {
    "type": "object",
    "description": "The members of every problem document (RFC 9457).",
    "properties": {
        "type": {
            "type": "string",
            "description": "Path of the page that explains the code.",
            "example": "/api/docs/errors#seat_unavailable",
        },
        "title": {"type": "string", "description": "The code, in words."},
        "status": {
            "type": "integer",
            "format": "int32",
            "description": "The status of the response.",
            "minimum": 400,
            "maximum": 599,
        },
        "detail": {"type": "string", "description": "The same as `message`."},
        "message": {"type": "string", "description": "A sentence to show to the customer."},
        "request_id": {
            "type": "string",
            "description": "The same as `X-Request-ID`, for questions to the site's operator.",
        },
    },
    "required": ["type", "title", "status", "detail", "message", "request_id"],
}
_FIELD_ERRORS = {
    "type": "object",
    "description": "The additional members of problems with status 400.",
    "properties": {
        "errors": {
            "type": "object",
            "description": "Sentences by field or parameter. Items of lists: `seat_ids.1`.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
            "example": {"seat_ids.1": ["A valid integer is required."]},
        }
    },
    "required": ["errors"],
}


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the error responses of each operation, by its codes (a hook of drf-spectacular)."""
    kinds = catalogue()
    used: set[str] = set()
    components = result["components"]
    shared: dict[str, Any] = components.setdefault("responses", {})
    for operation in operations(result):
        used.update(operation[PROBLEMS])
        by_status: dict[HTTPStatus, list[ProblemType]] = defaultdict(list)
        for code in operation[PROBLEMS]:
            by_status[kinds[code].status].append(kinds[code])
        for status, problems in sorted(by_status.items()):
            operation["responses"][str(status.value)] = _response(problems, shared)
    components["responses"] = dict(sorted(shared.items()))
    schemas = components["schemas"] | _schemas([kinds[code] for code in sorted(used)])
    components["schemas"] = dict(sorted(schemas.items()))
    return result


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every operation of an OpenAPI document."""
    for path in document["paths"].values():
        yield from (each for each in path.values() if "operationId" in each)


def component_name(code: str) -> str:
    """Return the name of a code's component: `SeatUnavailableProblem`."""
    return f"{_pascal(code)}Problem"


def _pascal(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("_"))


def _response(problems: Collection[ProblemType], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the response with these problems, by reference if operations can share it."""
    codes = frozenset(problem.code for problem in problems)
    names = [ref("schemas", component_name(problem.code)) for problem in problems]
    response = {
        "description": "\n\n".join(f"`{each.code}`: {each.meaning}" for each in problems),
        "headers": headers_of_problems(problems),
        "content": {
            "application/problem+json": {"schema": {"anyOf": [*names, ref("schemas", "Problem")]}}
        },
    }
    name = _pascal(*codes) if len(codes) == 1 else _SHARED.get(codes)
    if name is None:
        return response
    shared[name] = response
    return ref("responses", name)


def _schemas(problems: Collection[ProblemType]) -> dict[str, Any]:
    """Return the components of these problems and of problems with any other code."""
    common = ref("schemas", "ProblemMembers")
    return {
        "ProblemMembers": _COMMON,
        "FieldErrors": _FIELD_ERRORS,
        "ProblemCode": {
            "description": (
                "Branch on it, never on text. Codes may be added: handle an unknown one by its"
                " status."
            ),
            "anyOf": [
                {"type": "string", "enum": [problem.code for problem in problems]},
                {"type": "string"},
            ],
        },
        "Problem": {
            "description": "An error with any code, including codes that are added in future.",
            "allOf": [
                common,
                {
                    "type": "object",
                    "properties": {"code": ref("schemas", "ProblemCode")},
                    "required": ["code"],
                },
            ],
        },
        **{component_name(problem.code): _schema(problem, common) for problem in problems},
    }


def _schema(problem: ProblemType, common: dict[str, str]) -> dict[str, Any]:
    members = {
        "type": "object",
        "properties": {"code": {"type": "string", "enum": [problem.code]}, **problem.members},
        "required": ["code", *problem.members],
    }
    is_bad_request = problem.status is HTTPStatus.BAD_REQUEST
    errors = [ref("schemas", "FieldErrors")] if is_bad_request else []
    return {"description": str(problem.meaning), "allOf": [common, *errors, members]}
