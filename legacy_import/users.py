"""Converts the original's users."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import User
from booking_site.email_address import canonical_email
from booking_site.typed_text import clean_text, is_blank_text, refuse_link
from legacy_import.source import Row

# The format of bcryptjs. A cost above 15 would take minutes to verify.
BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")
LONGEST = {"title": 200, "name": 200, "location": 300}


@dataclass
class BatchResult:
    """Rows to insert, and rows to report with a reason; all by original id."""

    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    adjusted: list[tuple[int, str]] = field(default_factory=list)


def timestamps(row: Row) -> dict[str, Any]:
    """Return when the row was created and updated; now, where the original has no time."""
    created = row["created_at"] or timezone.now()
    return {"created_at": created, "updated_at": row["updated_at"] or created}


def text_of(row: Row, name: str, result: BatchResult, *, multiline: bool = False) -> str:
    """Return the text in Unicode's composed form, cut to the length of its column.

    Report a text that was cut, or that the back office would refuse.
    """
    text = normalize("NFC", row[name] or "")
    try:
        clean_text(text, multiline=multiline)
    except ValidationError:
        result.adjusted.append((row["id"], f"the {name} has invisible characters: edit it"))
    longest = LONGEST.get(name, len(text))
    if len(text) > longest:
        result.adjusted.append((row["id"], f"the {name} was cut to {longest} characters"))
    return text[:longest]


def clean_address(email: str | None) -> str | None:
    """Return the address as accounts store it, or None if it is invalid."""
    try:
        return canonical_email(email or "")
    except ValidationError:
        return None


def convert_users(batch: Sequence[Row]) -> BatchResult:
    """Convert users; reject those whose e-mail address already has an account."""
    result = BatchResult()
    addresses = {row["id"]: clean_address(row["email"]) for row in batch}
    used = set(
        User.objects.annotate(lower=Lower("email"))
        .filter(lower__in=[address for address in addresses.values() if address])
        .values_list("lower", flat=True)
    )
    for row in batch:
        number, address = row["id"], addresses[row["id"]]
        if address is None:
            result.rejected.append((number, "the e-mail address is invalid"))
        elif address in used:
            result.rejected.append((number, "another account has this e-mail address"))
        else:
            used.add(address)
            result.rows.append((number, _user(row, address, result)))
    return result


def _user(row: Row, address: str, result: BatchResult) -> dict[str, Any]:
    name, password = text_of(row, "name", result), row["password_hash"] or ""
    if is_blank_text(name):
        result.adjusted.append((row["id"], "it has no name"))
    try:
        refuse_link(name)
    except ValidationError:
        result.adjusted.append((row["id"], "the name contains a link: edit it"))
    if BCRYPT.fullmatch(password):
        encoded = f"bcrypt${password}"
    else:
        result.adjusted.append(
            (row["id"], "the password hash is unreadable, so the password must be reset")
        )
        encoded = make_password(None)
    return {
        "name": name,
        "email": address,
        "password_hash": encoded,
        **timestamps(row),
    }
