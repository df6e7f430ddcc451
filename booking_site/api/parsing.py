"""What comes in: one strict JSON parser, and fields that never guess a type."""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import IO, Any, ClassVar, NamedTuple, NoReturn, cast

from django.utils.http import parse_header_parameters
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from booking_site.api.converters import MAX_BIGINT
from booking_site.api.errors import DomainError

MAX_DEPTH = 16
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL's text knows neither


class InvalidJSON(DomainError):
    """The body is not one JSON object in UTF-8, or has parts that no two parsers read alike."""

    code = "invalid_json"
    status = HTTPStatus.BAD_REQUEST


def read_object(raw: bytes) -> dict[str, Any]:
    """Read one JSON object. Raise InvalidJSON for whatever else, never another error."""
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise InvalidJSON("The body is not valid UTF-8.") from error
    except RecursionError as error:
        raise InvalidJSON("The body is nested too deeply.") from error
    except ValueError as error:  # also an integer of thousands of digits
        raise InvalidJSON("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise InvalidJSON("The body must be a JSON object.")
    _check(value, depth=1)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidJSON("The body names a member twice.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJSON(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidJSON("The body has a number that is too large.")
    return number


def _check(value: object, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidJSON("The body is nested too deeply.")
    if isinstance(value, str) and UNSTORABLE.search(value):
        raise InvalidJSON("The body has a character that is not allowed.")
    if isinstance(value, dict):
        for name, member in value.items():
            _check(name, depth=depth)
            _check(member, depth=depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth=depth + 1)


class StrictJSONParser(BaseParser):
    """The only parser of the API. Raises InvalidJSON or UnsupportedMediaType."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return _read(stream.read(), media_type or "")


def _read(raw: bytes, media_type: str) -> dict[str, Any]:
    # DRF also lets wildcards such as */* through.
    kind, parameters = parse_header_parameters(media_type)
    charset = parameters.get("charset", "utf-8").lower()
    if kind != StrictJSONParser.media_type or charset != "utf-8":
        raise UnsupportedMediaType(media_type)
    return read_object(raw)


class Shape(NamedTuple):
    """One way to fill in a body, by the names of its fields."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


class StrictSerializer(serializers.Serializer[Any]):
    """Checks the shape of a body; every field that it does not know is refused by name.

    A body that comes in several shapes names them in `shapes`, for its
    description; `validate` holds callers to them, in sentences.
    """

    shapes: ClassVar[tuple[Shape, ...]] = ()

    def to_internal_value(self, data: Any) -> Any:
        known = {field.field_name for field in self._writable_fields}
        errors: dict[str, Any] = {
            name: ["This field is not known here."] for name in data if name not in known
        }
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors |= cast("dict[str, Any]", error.detail)
        if errors:
            raise serializers.ValidationError(errors)
        return value


class EmptySerializer(StrictSerializer):
    """For calls without a body: nothing or `{}`."""


def checked(shape: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Return the body of the request, if it has the shape.

    Raise InvalidJSON, UnsupportedMediaType or DRF's ValidationError.
    """
    # Not by `request.data`, which chooses among parsers: there is only one.
    body = _read(request.body, request.content_type) if request.body else {}
    fields: dict[str, Any] = _reader(shape).run_validation(body)
    return fields


# One instance serves all requests: making a serializer copies all its fields, and validating
# leaves no state in it.
@cache
def _reader(shape: type[StrictSerializer]) -> StrictSerializer:
    return shape()


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer that fits a bigint: neither `"5"` nor `5.0` nor `true`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -MAX_BIGINT - 1)
        kwargs.setdefault("max_value", MAX_BIGINT)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class IdField(StrictIntegerField):
    """The id of a row, 1 to 2⁶³-1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, **kwargs)


class StrictBooleanField(serializers.BooleanField):
    """`true` or `false`, no word or number that may mean one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictCharField(serializers.CharField):
    """A JSON string; a number is no text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictEmailField(StrictCharField, serializers.EmailField):
    """An e-mail address, as a JSON string."""


class StrictUUIDField(serializers.UUIDField):
    """A UUID in its usual spelling with hyphens; an integer is none."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or len(data) != 36:
            self.fail("invalid", value=data)
        return super().to_internal_value(data)
