"""Who did what, when and why: entries written in the transaction of the deed itself."""

import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Model, QuerySet

from accounts.models import AuditEntry, User

# Facts that are a pair of old and new.
_PAIRS = {"seat", "screen", "start"}


def record(
    *,
    actor: User | None,
    action: str,
    subject: Model,
    theatre_id: int | None = None,
    reason: str = "",
    **facts: Any,
) -> AuditEntry:
    """Note that `actor` (None: the site itself) did `action` to `subject`.

    `action` is a short past tense such as `seats_blocked`; `facts` are JSON-ready
    or dates, decimals and uuids, and never personal, as they outlive the person.
    Runs inside the caller's transaction, so that there is no deed without its
    entry and no entry without its deed.
    """
    return AuditEntry.objects.create(
        actor=actor,
        action=action,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        subject_name=str(subject)[:300],
        theatre_id=theatre_id,
        reason=reason,
        facts=facts,
    )


def history_of(subject: Model) -> QuerySet[AuditEntry]:
    """Return what was done to this object, newest first, the actors loaded."""
    return AuditEntry.objects.filter(
        subject_type=subject._meta.label_lower, subject_id=str(subject.pk)
    ).select_related("actor")


def mentions(show: Model, seat: str) -> QuerySet[AuditEntry]:
    """Return what was done to the show and names the seat, such as `B3`; any sign may be in it."""
    return history_of(show).filter(facts__seats__regex=rf"(?<!\w){re.escape(seat)}(?!\w)")


def sentences(entry: AuditEntry) -> list[str]:
    """Return the entry's facts for people to read, such as `price: 12.00 → 13.00`."""
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
    """`change` is old and new value, the new one alone, or nothing where it is private."""
    label = field.replace("_", " ")
    if isinstance(change, str):
        return f"{label}: {change}"
    return f"{label}: {' → '.join(value or 'nothing' for value in change)}" if change else label
