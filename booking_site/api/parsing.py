"""Request bodies: a strict JSON parser, and serializer fields that never convert a type."""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import IO, Any, ClassVar, NamedTuple, NoReturn, cast

from django.utils.http import parse_header_parameters
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from booking_site.api.converters import MAX_ID
from booking_site.api.errors import DomainError
from booking_site.email_address import canonical_email

MAX_DEPTH = 16
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # NUL and surrogates, which PostgreSQL refuses


class InvalidJSON(DomainError):
    """The body is not a single valid JSON object in UTF-8, or parsers disagree about it."""

    code = "invalid_json"
    status = HTTPStatus.BAD_REQUEST


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in the bytes. Raise InvalidJSON for anything else."""
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise InvalidJSON(_("The body is not valid UTF-8.")) from error
    except RecursionError as error:
        raise InvalidJSON(_("The body is nested too deeply.")) from error
    except ValueError as error:  # also an integer of thousands of digits
        raise InvalidJSON(_("The body is not valid JSON.")) from error
    if not isinstance(value, dict):
        raise InvalidJSON(_("The body must be a JSON object."))
    _check_value(value, depth=1)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidJSON(_("The body has a duplicate member."))
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJSON(_("%(name)s is not a JSON number.") % {"name": name})


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidJSON(_("The body has a number that is too large."))
    return number


def _check_value(value: object, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidJSON(_("The body is nested too deeply."))
    if isinstance(value, str) and UNSTORABLE.search(value):
        raise InvalidJSON(_("The body has a character that is not allowed."))
    if isinstance(value, dict):
        for name, member in value.items():
            _check_value(name, depth=depth)
            _check_value(member, depth=depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check_value(member, depth=depth + 1)


class StrictJSONParser(BaseParser):
    """The only parser of the API. Raises InvalidJSON or UnsupportedMediaType."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return _parse(stream.read(), media_type or "")


def _parse(raw: bytes, media_type: str) -> dict[str, Any]:
    # DRF also accepts wildcards such as */*.
    kind, parameters = parse_header_parameters(media_type)
    charset = parameters.get("charset", "utf-8").lower()
    if kind != StrictJSONParser.media_type or charset != "utf-8":
        raise UnsupportedMediaType(media_type)
    return parse_object(raw)


class Shape(NamedTuple):
    """The fields of one form that a body can take."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


class StrictSerializer(serializers.Serializer[Any]):
    """Checks the fields of a body and refuses unknown ones.

    If the body can take several forms, `shapes` lists them for the API schema, and `validate`
    enforces them.
    """

    shapes: ClassVar[tuple[Shape, ...]] = ()

    def to_internal_value(self, data: Any) -> Any:
        known = {field.field_name for field in self._writable_fields}
        errors: dict[str, Any] = {name: [_("Unknown field.")] for name in data if name not in known}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors |= cast("dict[str, Any]", error.detail)
        if errors:
            raise serializers.ValidationError(errors)
        return value


class EmptySerializer(StrictSerializer):
    """An empty body, or `{}`."""


def parse_body(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Return the validated body of the request.

    Raise InvalidJSON, UnsupportedMediaType or DRF's ValidationError.
    """
    # Not `request.data`, which first chooses a parser: there is only one.
    body = _parse(request.body, request.content_type) if request.body else {}
    validated: dict[str, Any] = _instance_of(serializer, get_language()).run_validation(body)
    return validated


# All requests in a language share one instance: creating a serializer copies all its fields, and
# `run_validation` stores only DRF's sentences about limits in it, in the language of their first
# use.
@cache
def _instance_of(serializer: type[StrictSerializer], language: str | None) -> StrictSerializer:
    return serializer()


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer that JavaScript represents exactly: neither `"5"` nor `5.0` nor `true`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -MAX_ID)
        kwargs.setdefault("max_value", MAX_ID)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class IdField(StrictIntegerField):
    """The id of a row: 1 to 2⁵³-1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, **kwargs)


class StrictBooleanField(serializers.BooleanField):
    """`true` or `false`, and no word or number instead."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictCharField(serializers.CharField):
    """A JSON string; numbers are refused."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictEmailField(StrictCharField, serializers.EmailField):
    """An e-mail address, as a JSON string; its value is the canonical form."""

    def to_internal_value(self, data: Any) -> str:
        return canonical_email(super().to_internal_value(data))


class StrictUUIDField(serializers.UUIDField):
    """A UUID as a JSON string with hyphens; integers are refused."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or len(data) != 36:
            self.fail("invalid", value=data)
        return super().to_internal_value(data)
