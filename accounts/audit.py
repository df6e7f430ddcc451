"""The audit trail: who did what, when and why, written in the same transaction."""

import re
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet

from accounts.models import AuditEntry, User

# Facts that are a pair of old and new value.
_PAIRS = {"seat", "screen", "start"}


def record(
    *,
    actor: User | None,
    action: str,
    subject: Model,
    subject_name: str = "",
    theatre_id: int | None = None,
    reason: str = "",
    **facts: Any,
) -> AuditEntry:
    """Record that `actor` (None: the site itself) did `action` to `subject`.

    `action` is a short past tense such as `seats_blocked`. `facts` are JSON-ready
    or dates, decimals and UUIDs. They hold no personal data, because an entry
    outlives the person. Call it in the transaction of the change, so that change
    and entry are committed together.
    """
    return AuditEntry.objects.create(
        actor=actor,
        action=action,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        subject_name=(subject_name or str(subject))[:300],
        theatre_id=theatre_id,
        reason=reason,
        facts=facts,
    )


def history_of(subject: Model) -> QuerySet[AuditEntry]:
    """Return the entries about this object, newest first, with their actors."""
    return AuditEntry.objects.filter(
        subject_type=subject._meta.label_lower, subject_id=str(subject.pk)
    ).select_related("actor")


def history_of_seat(show: Model, seat: str) -> QuerySet[AuditEntry]:
    """Return the entries about the show that name this seat, such as `B3`."""
    # Only a whole name: A1 does not match Balcony A1.
    return history_of(show).filter(
        facts__seats__regex=rf'(^|[",] ?|→ ){re.escape(seat)}($|[",]| →)'
    )


def recorded_actions() -> list[str]:
    """Return every action of the audit trail, with one search of an index for each."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE found (action) AS (
                SELECT min(action) FROM audit_entries
                UNION ALL
                SELECT (SELECT min(action) FROM audit_entries WHERE action > found.action)
                  FROM found WHERE found.action IS NOT NULL
            )
            SELECT action FROM found WHERE action IS NOT NULL
            """
        )
        return [action for (action,) in cursor]


def sentences(entry: AuditEntry) -> list[str]:
    """Return the entry's facts as text, such as `price: 12.00 → 13.00`."""
    return list(_sentences(entry.facts))


def _sentences(facts: dict[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if value in ([], {}, ""):
            continue
        label = name.replace("_", " ")
        match value:
            case dict():
                yield from (_changed(field, change) for field, change in value.items())
            case [before, after] if name in _PAIRS:
                yield f"{label}: {before or 'nothing'} → {after or 'nothing'}"
            case list():
                yield f"{label}: {', '.join(map(str, value))}"
            case _:
                yield f"{label}: {value}"


def _changed(field: str, change: list[str] | str) -> str:
    """`change` is the old and new value, only the new one, or empty for a personal field."""
    label = field.replace("_", " ")
    if isinstance(change, str):
        return f"{label}: {change}"
    return f"{label}: {' → '.join(value or 'nothing' for value in change)}" if change else label
