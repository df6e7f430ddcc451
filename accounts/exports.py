"""Export of everything stored about a user, for that user."""

from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.utils.module_loading import import_string

from accounts import audit
from accounts.authentication import Caller
from accounts.mails import emails_of, mails_about, mails_as_json
from accounts.models import User
from accounts.services import current_user


def export_caller(*, caller: Caller) -> dict[str, Any]:
    """Return JSON-ready sections by name; PERSON_EXPORTERS adds those of other apps.

    The password hash and tokens are left out: they would help only a thief.
    Raise `TokenRevoked`.
    """
    user = current_user(caller=caller)
    sections: dict[str, Any] = {
        "profile": _profile(user),
        "sign_ins": list(user.sign_ins.values("created_at", "expires_at", "ended_at")),
        "failed_logins": list(
            # Without address and browser, which may be those of somebody else.
            AccessAttempt.objects.filter(username__in=emails_of(user)).values(
                "attempt_time", "failures_since_start"
            )
        ),
        "known_addresses": list(user.known_addresses.values("address", "last_login_at")),
        "changes_by_staff": [
            {"changed_at": entry.at, "change": "; ".join([entry.label, *audit.sentences(entry)])}
            for entry in audit.history_of(user).select_related(None)
        ],
        "mails": mails_as_json(mails_about(user)),
    }
    for exporter in settings.PERSON_EXPORTERS:
        sections |= import_string(exporter)(user_id=user.pk)
    return sections


def _profile(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "name": user.name,
        "email": user.readable_email,
        "language": user.language,
        "email_confirmed_at": user.email_confirmed_at,
        "is_staff": user.is_staff,
        "roles": list(user.groups.values_list("name", flat=True)),
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "last_back_office_login": user.last_login,
    }
