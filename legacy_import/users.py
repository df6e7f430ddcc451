"""The original's users: what of them can be taken, and under which conditions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import User
from legacy_import.source import Row

# As bcryptjs writes it. A cost above 15 would take minutes to verify.
BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")
LONGEST_EMAIL = 254
LONGEST_NAME = 200


@dataclass
class Outcome:
    """What a batch becomes: rows to write, by original id, and the cases to report."""

    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    changed: list[tuple[int, str]] = field(default_factory=list)


def stamps(row: Row) -> dict[str, Any]:
    """Return when the row was made and changed; the original may not know."""
    made = row["created_at"] or timezone.now()
    return {"created_at": made, "updated_at": row["updated_at"] or made}


def clean_address(email: str | None) -> str | None:
    """Return the address as it is kept here, or None when it is none."""
    address = User.objects.clean_email(email or "")
    try:
        validate_email(address)
    except ValidationError:
        return None
    return address if len(address) <= LONGEST_EMAIL else None


def take_users(batch: Sequence[Row]) -> Outcome:
    """Take every person once; who has an account here, or twice there, is refused."""
    outcome = Outcome()
    addresses = {row["id"]: clean_address(row["email"]) for row in batch}
    used = set(
        User.objects.annotate(lower=Lower("email"))
        .filter(lower__in=[address for address in addresses.values() if address])
        .values_list("lower", flat=True)
    )
    for row in batch:
        number, address = row["id"], addresses[row["id"]]
        if address is None:
            outcome.refused.append((number, "the e-mail address is none"))
        elif address in used:
            outcome.refused.append((number, "another account has this e-mail address"))
        else:
            used.add(address)
            outcome.rows.append((number, _user(row, address, outcome)))
    return outcome


def _user(row: Row, address: str, outcome: Outcome) -> dict[str, Any]:
    number, name, password = row["id"], row["name"] or "", row["password_hash"] or ""
    if len(name) > LONGEST_NAME:
        outcome.changed.append((number, f"the name was cut to {LONGEST_NAME} characters"))
    if BCRYPT.fullmatch(password):
        encoded = f"bcrypt${password}"
    else:
        outcome.changed.append((number, "the password is unreadable, so it has to be set anew"))
        encoded = make_password(None)
    return {
        "name": name[:LONGEST_NAME],
        "email": address,
        "password_hash": encoded,
        **stamps(row),
    }
