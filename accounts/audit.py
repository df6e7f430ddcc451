"""Who did what, when and why: entries written in the transaction of the deed itself."""

from typing import Any

from django.db.models import Model, QuerySet

from accounts.models import AuditEntry, User


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
