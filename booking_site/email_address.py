"""E-mail addresses: the canonical form, which is stored and compared, and the readable form.

`bücher.example` and `xn--bcher-kva.example` are the same domain. The package `idna` follows IDNA
2008. Python's codec and Django follow IDNA 2003, which turns ß into ss: a different domain.
"""

import unicodedata
from typing import TYPE_CHECKING, Any

import idna
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, validate_email
from django.db import models

ACE_PREFIX = "xn--"
MAX_LENGTH = 254  # of a path in SMTP, without its brackets


def canonical_email(text: str) -> str:
    """Return the address in lower case, its domain in ASCII. Raise `ValidationError`."""
    local, at, domain = unicodedata.normalize("NFC", text).strip().lower().rpartition("@")
    if ACE_PREFIX in domain or not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValidationError(EmailValidator.message, code="invalid") from error
    address = f"{local}{at}{domain}"
    # Django's pattern ignores case, so it accepts U+017F, a long s.
    if len(address) > MAX_LENGTH or not address.isascii():
        raise ValidationError(EmailValidator.message, code="invalid")
    validate_email(address)
    return address


def readable_email(address: str) -> str:
    """Return the address with its domain in Unicode; one that cannot be decoded, unchanged."""
    local, at, domain = address.rpartition("@")
    if ACE_PREFIX not in domain:
        return address
    try:
        return f"{local}{at}{idna.decode(domain)}"
    except idna.IDNAError:
        return address


class EmailFormField(forms.EmailField):
    """Shows the readable form of an address; the cleaned value is the canonical form."""

    def to_python(self, value: Any) -> str:
        typed = super().to_python(value)
        return canonical_email(typed) if typed else ""

    def prepare_value(self, value: Any) -> Any:
        return readable_email(value) if isinstance(value, str) else value


if TYPE_CHECKING:
    EmailColumn = models.EmailField[Any, str]
else:  # not generic at run time
    EmailColumn = models.EmailField


class CanonicalEmailField(EmailColumn):
    """A column of addresses, which validation turns into their canonical form."""

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        return super().clean(canonical_email(value) if value else value, model_instance)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": EmailFormField, **kwargs})
