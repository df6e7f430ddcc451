"""Rewrites e-mail addresses of accounts that are not stored in their canonical spelling.

Such rows come from earlier releases and from plain SQL.
"""

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from booking_site.email_address import canonical_email

# Every canonical address is in lower case and in ASCII.
NOT_CANONICAL = ~models.Q(email=Lower("email")) | models.Q(email__regex=r"[^\x01-\x7f]")


def canonicalize_emails(
    users: "models.QuerySet[models.Model]", *, dry_run: bool = False
) -> Iterator[str]:
    """Rewrite the addresses and yield a line for each account. A dry run only yields the lines.

    An account whose address is invalid, or belongs to another account, remains unchanged: staff
    have to correct it. An address whose mails went to another domain must be confirmed again.
    """
    rewritten: dict[str, int] = {}
    rows = users.filter(NOT_CANONICAL).order_by("pk").values_list("pk", "email")
    for number, email in rows:
        try:
            address = canonical_email(email)
        except ValidationError:
            yield f"user {number}: the e-mail address is invalid"
            continue
        spelled = users.alias(lower=Lower("email")).filter(lower=address).exclude(pk=number)
        other = rewritten.get(address) or spelled.values_list("pk", flat=True).first()
        if other is not None:
            yield f"user {number}: user {other} has the same e-mail address"
            continue
        rewritten[address] = number
        changes: dict[str, str | None] = {"email": address}
        change = "rewritten"
        if _was_mailed_elsewhere(email, address):
            changes["email_confirmed_at"] = None
            change = "rewritten and no longer confirmed: its mails went to another domain"
        if not dry_run:
            users.filter(pk=number, email=email).update(**changes)
        yield f"user {number}: {change}"


def _was_mailed_elsewhere(email: str, address: str) -> bool:
    """Return whether earlier releases, with IDNA 2003, sent its mails to another domain."""
    domain = email.rpartition("@")[2].lower()
    try:
        return domain.encode("idna").decode() != address.rpartition("@")[2]
    except UnicodeError:
        return True
