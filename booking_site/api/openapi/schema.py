"""The OpenAPI schema: adds what all operations share."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Literal, TypeVar, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, is_serializer
from drf_spectacular.serializers import PolymorphicProxySerializerExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny

from booking_site.api.errors import DomainError
from booking_site.api.parsing import Shape, StrictCharField, StrictEmailField, StrictSerializer
from booking_site.api.problems import catalogue

F = TypeVar("F", bound=Callable[..., Any])
Direction = Literal["request", "response"]
Problem = type[DomainError] | str

PROBLEMS = "x-problem-codes"
ANY_TEXT = r"^[^\x00]*$"
SOME_TEXT = r"^[^\x00]*[^\x00\s][^\x00]*$"
TOKEN_PROBLEMS = {"token_invalid", "token_expired", "token_revoked"}


def operation(
    operation_id: str, *, problems: Iterable[Problem] = (), **described: Any
) -> Callable[[F], F]:
    """Describe a view method under a stable operation id.

    `problems` are its own errors, as DomainError classes or codes. Errors that any call can
    return (400 for a body or a query, 401, 404 for an address, 405, 406, 411, 413, 415, 429,
    500, 503) are added automatically. `described` goes to drf-spectacular's extend_schema:
    request, responses, parameters, summary …
    """
    codes = [problem if isinstance(problem, str) else problem.code for problem in problems]
    decorate: Callable[[F], F] = extend_schema(
        operation_id=operation_id, extensions={PROBLEMS: codes}, **described
    )
    return decorate


class ContractSchema(AutoSchema):
    """Adds the errors, ETags and strict bodies that all operations have."""

    def get_override_parameters(self) -> list[Any]:
        parameters = super().get_override_parameters()
        if self.method == "GET" and self._has_etag():
            parameters = [
                *parameters,
                OpenApiParameter(
                    "If-None-Match",
                    str,
                    OpenApiParameter.HEADER,
                    description="The ETag of an earlier response. If nothing changed: 304.",
                ),
            ]
        return parameters

    def get_operation(self, *args: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args)
        if operation:
            operation[PROBLEMS] = sorted(self._problem_codes())
        return operation

    def _get_request_body(self, direction: Direction = "request") -> dict[str, Any] | None:
        if self.method != "DELETE" or not is_serializer(self.get_request_serializer()):
            return cast("dict[str, Any] | None", super()._get_request_body(direction))
        # OpenAPI 3.0 doesn't define a body for DELETE, so drf-spectacular leaves it out.
        self.method = "POST"
        try:
            return cast("dict[str, Any] | None", super()._get_request_body(direction))
        finally:
            self.method = "DELETE"

    def _get_request_for_media_type(self, serializer: Any, direction: Direction = "request") -> Any:
        schema, required = super()._get_request_for_media_type(serializer, direction)
        # drf-spectacular looks for required fields, but they are inside the shapes.
        return schema, required or bool(getattr(serializer, "shapes", ()))

    def _get_filter_parameters(self) -> list[dict[str, Any]]:
        # An empty filter is ignored, as forms send all their fields.
        return [{**each, "allowEmptyValue": True} for each in super()._get_filter_parameters()]

    def _map_basic_serializer(self, serializer: Any, direction: Direction) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        if type(serializer).__doc__ is None:
            schema.pop("description", None)  # inherited from a base class
        if direction == "request" and isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
            if serializer.shapes:
                return _one_of(schema, serializer.shapes)
        return schema

    def _map_serializer_field(
        self, field: Any, direction: Direction, bypass_extensions: bool = False
    ) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_serializer_field(field, direction, bypass_extensions)
        if isinstance(field, StrictEmailField):  # has a format, so it needs no pattern
            return schema
        if direction == "request" and isinstance(field, StrictCharField):
            blank = field.allow_blank or not field.trim_whitespace
            schema.setdefault("pattern", ANY_TEXT if blank else SOME_TEXT)
            if field.style.get("input_type") == "password":
                schema["format"] = "password"
        return schema

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        if self.method == "GET" and self._has_etag():
            bodies["304"] = {"description": "Unchanged: the ETag is one of If-None-Match."}
        kinds = catalogue()
        by_status: dict[HTTPStatus, list[str]] = defaultdict(list)
        for code in sorted(self._problem_codes()):
            by_status[kinds[code].status].append(f"`{code}`: {kinds[code].meaning}")
        for status, lines in sorted(by_status.items()):
            bodies[str(status.value)] = {
                "description": "\n\n".join(lines),
                "content": {"application/problem+json": {"schema": self._problem().ref}},
            }
        return bodies

    def _problem_codes(self) -> set[str]:
        special = self.get_extensions().get(PROBLEMS, ())
        codes = {"not_acceptable", "internal_error", "busy", *special}
        if "{" in self.path:
            codes.add("not_found")
        if not any(isinstance(each, AllowAny) for each in self.view.get_permissions()):
            codes |= {"not_authenticated", *TOKEN_PROBLEMS}
        if self.view.get_throttles():
            codes.add("throttled")
        if self.method not in ("GET", "HEAD"):
            codes |= {
                "outcome_unknown",
                "invalid_json",
                "validation_failed",
                "length_required",
                "body_too_large",
                "unsupported_media_type",
            }
        elif self._is_list_view():
            codes.add("validation_failed")
        return codes

    def _has_etag(self) -> bool:
        return not self.path.startswith(("/api/auth/", "/api/holds"))

    def _problem(self) -> ResolvedComponent:
        component = ResolvedComponent(
            name="Problem", type=ResolvedComponent.SCHEMA, object="Problem", schema=_PROBLEM
        )
        self.registry.register_on_missing(component)
        return component


def _one_of(schema: dict[str, Any], shapes: Iterable[Shape]) -> dict[str, Any]:
    """Split the schema of a body into one for each shape."""
    common = {name: schema[name] for name in ("type", "additionalProperties")}
    return {
        "description": schema["description"],
        "oneOf": [
            {
                **common,
                "properties": {
                    name: schema["properties"][name] for name in shape.required + shape.optional
                },
                "required": [*shape.required],
            }
            for shape in shapes
        ],
    }


_PROBLEM = {
    "type": "object",
    "description": "An error (RFC 9457). Clients branch on `code` and show `message`.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "With status 400: the problems by field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["type", "title", "status", "detail", "code", "message", "request_id"],
}


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class OptionalBearerScheme(BearerScheme):
    """Has its own name because drf-spectacular requires one for each class."""

    target_class = "accounts.authentication.OptionalBearerAuthentication"
    name = "optional_bearer"


class AnyOf(PolymorphicProxySerializerExtension):
    """Describes alternatives by `anyOf`, because a value may match several of them."""

    priority = 1

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema = super().map_serializer(auto_schema, direction)
        return {"anyOf": schema["oneOf"]}
