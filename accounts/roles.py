"""What each role of the staff may do in the back office. Nobody deletes what was sold."""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

# Of the app that has the theatres, which may not be imported from here.
WORK_EVERYWHERE = "catalog.work_everywhere"
# The models by app; app and model labels, as other apps may not be imported from here.
CATALOGUE = {
    "catalog": ("movie", "theatre", "screen", "pricecard", "pricecardline", "show", "seat"),
}
SALES = {"bookings": ("hold", "order", "booking")}
TASKS = {"django_tasks_database": ("dbtaskresult",)}
PEOPLE = {"accounts": ("user", "signin"), "axes": ("accessattempt",)}


def _may(verbs: Iterable[str], models: Mapping[str, Iterable[str]]) -> set[str]:
    return {
        f"{app}.{verb}_{model}"
        for app, names in models.items()
        for model in names
        for verb in verbs
    }


LOOK = _may(["view"], CATALOGUE) | _may(["view"], SALES)
BLOCK_SEATS = {"catalog.change_seat"}
SELL = {"bookings.sell_order"}
REPORTS = {"reports.view_reports"}
READ_AUDIT = {"accounts.view_auditentry"}
PROGRAMME = _may(["add", "change", "delete"], CATALOGUE) | {"catalog.cancel_show"}
MANAGE_PEOPLE = _may(["view", "change"], PEOPLE) | {
    "accounts.add_user",
    "axes.delete_accessattempt",
}

ROLES: dict[str, set[str]] = {
    "Usher": LOOK,
    "Box office": LOOK | BLOCK_SEATS | SELL,
    "Programmer": _may(["view"], CATALOGUE) | PROGRAMME | REPORTS,
    "Manager": LOOK
    | PROGRAMME
    | SELL
    | REPORTS
    | MANAGE_PEOPLE
    | READ_AUDIT
    | _may(["add", "change"], SALES)
    | _may(["view", "change"], TASKS),
}


class UnknownPermissions(LookupError):
    """A role is given something that no migrated model defines."""


def ensure_roles() -> None:
    """Give every role exactly its permissions; safe to repeat.

    Needs a migrated database. Raise `UnknownPermissions`.
    """
    wanted = set().union(*ROLES.values())
    known = _permissions(wanted)
    if missing := wanted - known.keys():
        raise UnknownPermissions(", ".join(sorted(missing)))
    with transaction.atomic(durable=True):
        for role, names in ROLES.items():
            group, _ = Group.objects.get_or_create(name=role)
            group.permissions.set(known[name] for name in names)


def _permissions(names: Iterable[str]) -> dict[str, Permission]:
    codenames = Q(codename__in=[name.partition(".")[2] for name in names])
    permissions = Permission.objects.filter(codenames).select_related("content_type")
    return {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in permissions
    }
