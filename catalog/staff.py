"""Who of the staff works where: each in their own theatres, some in every one."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, Permission
from django.db.models import Q, QuerySet

from accounts.models import User
from accounts.roles import WORK_EVERYWHERE
from catalog.models import Theatre

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def theatres_of(user: User | AnonymousUser) -> QuerySet[Theatre]:
    """Return the theatres whose programme, sales and figures this member of staff may see."""
    if user.has_perm(WORK_EVERYWHERE):
        return Theatre.objects.all()
    if user.is_anonymous:
        return Theatre.objects.none()  # a filter by no key would find theatres without staff
    return Theatre.objects.filter(staff=user.pk)


def within_theatres_of(user: User | AnonymousUser, rows: Rows, theatre_path: str) -> Rows:
    """Leave those rows whose theatre, found by the lookup `theatre_path`, is one of the user's."""
    if user.has_perm(WORK_EVERYWHERE):
        return rows
    return rows.filter(**{f"{theatre_path}__in": theatres_of(user)})


def is_colleague(person: User, *, of: User) -> bool:
    """Report whether a member of staff works in no theatre except those of the other.

    Whoever could set the password of anybody else could work in all theatres of that person.
    """
    if of.has_perm(WORK_EVERYWHERE):
        return True
    # Inactive users have no permissions but can be activated, so the rows are read.
    everywhere = Permission.objects.filter(codename=WORK_EVERYWHERE.rpartition(".")[2])
    if everywhere.filter(Q(group__user=person) | Q(user=person)).exists():
        return False
    return not Theatre.objects.filter(staff=person).exclude(staff=of).exists()
