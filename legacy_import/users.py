"""Converts the original's users."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import User
from booking_site.email_address import canonical_email
from legacy_import.source import Row

# The format of bcryptjs. A cost above 15 would take minutes to verify.
BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")
LONGEST_EMAIL = 254
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


def shortened(row: Row, name: str, result: BatchResult) -> str:
    text: str = row[name] or ""
    if len(text) > LONGEST[name]:
        result.adjusted.append((row["id"], f"the {name} was cut to {LONGEST[name]} characters"))
    return text[: LONGEST[name]]


def clean_address(email: str | None) -> str | None:
    """Return the address as accounts store it, or None if it is invalid."""
    try:
        address = canonical_email(email or "")
    except ValidationError:
        return None
    return address if len(address) <= LONGEST_EMAIL else None


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
    name, password = shortened(row, "name", result), row["password_hash"] or ""
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
