"""The OpenAPI schema: adds what all operations share."""

from collections.abc import Callable, Iterable
from inspect import cleandoc
from typing import Any, Literal, TypeVar, cast

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import is_serializer
from drf_spectacular.serializers import PolymorphicProxySerializerExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny

from booking_site.api.errors import DomainError
from booking_site.api.openapi.problems import PROBLEMS, TOKEN_PROBLEMS
from booking_site.api.openapi.values import COUNT, ID
from booking_site.api.parsing import Shape, StrictCharField, StrictEmailField, StrictSerializer

F = TypeVar("F", bound=Callable[..., Any])
Direction = Literal["request", "response"]
Problem = type[DomainError] | str

ANY_TEXT = r"^[^\x00]*$"
SOME_TEXT = r"^[^\x00]*[^\x00\s][^\x00]*$"
_OUTCOMES = {
    "200": "Success.",
    "201": "Created.",
    "202": "Accepted.",
    "204": "Success, without content.",
}


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
    describe = extend_schema(operation_id=operation_id, extensions={PROBLEMS: codes}, **described)
    parameters = described.get("parameters", ())
    query = frozenset(each.name for each in parameters if each.location == OpenApiParameter.QUERY)

    def decorate(method: F) -> F:
        operation: F = describe(method)
        operation.query_parameters = query  # type: ignore[attr-defined] # for booking_site.api.operations
        return operation

    return decorate


class ContractSchema(AutoSchema):
    """Adds the errors, ETags and strict bodies that all operations have."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        bearer: list[dict[str, list[str]]] = (
            [{"bearer": []}] if self.view.get_authenticators() else []
        )
        return [*bearer, {}] if self._is_open() else bearer

    def get_description(self) -> str:  # type: ignore[override] # as in drf-spectacular
        return ""  # docstrings are for developers of the site; `operation` has descriptions

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}List"

    def _get_serializer_name(self, *args: Any, **kwargs: Any) -> str:
        name: str = super()._get_serializer_name(*args, **kwargs)
        return name.replace("RequestRequest", "Request")

    def _is_open(self) -> bool:
        return any(isinstance(each, AllowAny) for each in self.view.get_permissions())

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
        # Only its own first paragraph: the others are for developers of the site.
        schema.pop("description", None)
        if text := _first_paragraph(type(serializer).__doc__):
            schema["description"] = text
        if direction == "request" and isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
            if serializer.shapes:
                return _one_of(schema, serializer.shapes)
        return schema

    def _map_serializer_field(
        self, field: Any, direction: Direction, bypass_extensions: bool = False
    ) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_serializer_field(field, direction, bypass_extensions)
        if schema.get("type") == "integer":
            is_id = field.field_name == "id" or field.field_name.endswith("_id")
            schema = (ID if is_id else COUNT) | schema
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
        for status, body in bodies.items():
            body["description"] = body["description"] or _OUTCOMES[status]
        if self.method == "GET" and self._has_etag():
            bodies["304"] = {"description": "Unchanged: the ETag is one of If-None-Match."}
        return bodies

    def _problem_codes(self) -> set[str]:
        special = self.get_extensions().get(PROBLEMS, ())
        codes = {"validation_failed", "not_acceptable", "internal_error", "busy", *special}
        if "{" in self.path:
            codes.add("not_found")
        if not self._is_open():
            codes |= {"not_authenticated", *TOKEN_PROBLEMS}
        if self.view.get_throttles():
            codes.add("throttled")
        if self.method not in ("GET", "HEAD"):
            codes |= {
                "outcome_unknown",
                "invalid_json",
                "length_required",
                "body_too_large",
                "unsupported_media_type",
            }
        return codes

    def _has_etag(self) -> bool:
        return not (
            self.path.startswith(("/api/auth/", "/api/holds")) or self.path.endswith("/events")
        )


def _first_paragraph(docstring: str | None) -> str:
    return " ".join(cleandoc(docstring or "").partition("\n\n")[0].split())


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


class AnyOf(PolymorphicProxySerializerExtension):
    """Describes alternatives by `anyOf`, because a value may match several of them."""

    priority = 1

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema = super().map_serializer(auto_schema, direction)
        return {"anyOf": schema["oneOf"]}
