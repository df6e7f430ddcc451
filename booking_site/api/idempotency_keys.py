"""The `Idempotency-Key` header, with which a client repeats a call after a lost answer."""

import re
from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from booking_site.api.errors import DomainError

# Visible ASCII without `,` `"` `\`. Two headers arrive as one, joined by a comma.
_PLAIN_KEY = r"[!#-+\--\[\]-~]{1,255}"
KEY_PATTERN = rf'^(?:{_PLAIN_KEY}|"{_PLAIN_KEY}")$'
_KEY = re.compile(KEY_PATTERN)


class KeyMissing(DomainError):
    """The call needs an Idempotency-Key header."""

    code = "idempotency_key_missing"
    status = HTTPStatus.BAD_REQUEST
    message = _("Send an Idempotency-Key header: a new random value for each purchase.")


class KeyInvalid(DomainError):
    """The Idempotency-Key header has an invalid value."""

    code = "idempotency_key_invalid"
    status = HTTPStatus.BAD_REQUEST
    message = _(
        "An Idempotency-Key is 1 to 255 visible ASCII characters "
        "without comma, quotation mark and backslash."
    )


def read_key(header: str | None) -> str:
    """Return the key in the header, without quotes. Raise `KeyMissing` or `KeyInvalid`."""
    if header is None:
        raise KeyMissing
    if not _KEY.fullmatch(header):
        raise KeyInvalid
    return header.strip('"')


def read_optional_key(header: str | None) -> str | None:
    """Return the key in the header, or None without a header. Raise `KeyInvalid`."""
    return None if header is None else read_key(header)
