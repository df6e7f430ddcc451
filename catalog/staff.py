"""The theatres of staff: each works in some, those with `work_everywhere` in all."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from accounts.roles import WORK_EVERYWHERE
from catalog.models import Theatre

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def theatres_of(user: User | AnonymousUser) -> QuerySet[Theatre]:
    """Return the theatres whose programme, sales and figures the user may see."""
    if user.has_perm(WORK_EVERYWHERE):
        return Theatre.objects.all()
    if user.is_anonymous:
        return Theatre.objects.none()  # staff=None would match theatres without staff
    return Theatre.objects.filter(staff=user.pk)


def within_theatres_of(user: User | AnonymousUser, rows: Rows, theatre_path: str) -> Rows:
    """Filter for rows whose theatre, at the lookup `theatre_path`, is one of the user's."""
    if user.has_perm(WORK_EVERYWHERE):
        return rows
    return rows.filter(**{f"{theatre_path}__in": theatres_of(user)})


def is_colleague(person: User, *, of: User) -> bool:
    """Return whether `person` works only in theatres where `of` works too."""
    if of.has_perm(WORK_EVERYWHERE):
        return True
    return not Theatre.objects.filter(staff=person).exclude(staff=of).exists()


def end_staff_access(*, user: User, actor: User | None) -> None:
    """Take theatres, roles and permissions from former staff, in the transaction of the change."""
    theatres = [theatre.name for theatre in user.theatres.all()]
    roles = list(user.groups.values_list("name", flat=True))
    permissions = [str(each) for each in user.user_permissions.all()]
    user.theatres.clear()
    user.groups.clear()
    user.user_permissions.clear()
    if theatres or permissions or roles:
        audit.record(
            actor=actor,
            action="staff_access_ended",
            subject=user,
            theatres=theatres,
            roles=roles,
            permissions=permissions,
        )


def forget_person(*, user_id: int) -> None:
    """Take theatres, roles and permissions from former staff, before the account is removed."""
    end_staff_access(user=User.objects.get(pk=user_id), actor=None)
