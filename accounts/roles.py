"""The permissions of each staff role in the back office. No role deletes sales."""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction

# Defined by catalog, which this app may not import.
WORK_EVERYWHERE = "catalog.work_everywhere"
# Models by app, as labels: this app may not import the others.
CATALOGUE = {
    "catalog": ("movie", "theatre", "screen", "pricecard", "pricecardline", "show", "seat"),
}
SALES = {"bookings": ("hold", "order", "booking")}
TASKS = {"django_tasks_database": ("dbtaskresult",)}
USERS = {"accounts": ("user", "signin"), "axes": ("accessattempt",)}


def _may(verbs: Iterable[str], models: Mapping[str, Iterable[str]]) -> set[str]:
    return {
        f"{app}.{verb}_{model}"
        for app, names in models.items()
        for model in names
        for verb in verbs
    }


VIEW = _may(["view"], CATALOGUE) | _may(["view"], SALES)
BLOCK_SEATS = {"catalog.change_seat"}
SELL = {"bookings.sell_order"}
REPORTS = {"reports.view_reports"}
READ_AUDIT = {"accounts.view_auditentry"}
PROGRAMME = _may(["add", "change", "delete"], CATALOGUE) | {"catalog.cancel_show"}
MANAGE_USERS = _may(["view", "change"], USERS) | {
    "accounts.add_user",
    "axes.delete_accessattempt",
}

ROLES: dict[str, set[str]] = {
    "Usher": VIEW,
    "Box office": VIEW | BLOCK_SEATS | SELL,
    "Programmer": _may(["view"], CATALOGUE) | PROGRAMME | REPORTS,
    "Manager": VIEW
    | PROGRAMME
    | SELL
    | REPORTS
    | MANAGE_USERS
    | READ_AUDIT
    | _may(["add", "change"], SALES)
    | _may(["view", "change"], TASKS),
}


class UnknownPermissions(LookupError):
    """A role has a permission that no migrated model defines."""


def ensure_roles() -> None:
    """Give every role exactly its permissions. Repeatable.

    Needs a migrated database. Raise `UnknownPermissions`.
    """
    wanted = set().union(*ROLES.values())
    codenames = [name.partition(".")[2] for name in wanted]
    permissions = Permission.objects.filter(codename__in=codenames).select_related("content_type")
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in permissions
    }
    if missing := wanted - known.keys():
        raise UnknownPermissions(", ".join(sorted(missing)))
    with transaction.atomic(durable=True):
        for role, names in ROLES.items():
            group, _ = Group.objects.get_or_create(name=role)
            group.permissions.set(known[name] for name in names)
