"""The theatres of staff: each works in some, those with `work_everywhere` in all."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, Permission
from django.db.models import Q, QuerySet

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
    """Return whether `person` works only in theatres where `of` works too.

    Nobody else may set the person's password: they could log in and work in their theatres.
    """
    if of.has_perm(WORK_EVERYWHERE):
        return True
    # Not has_perm: inactive users have no permissions, but can be activated.
    everywhere = Permission.objects.filter(codename=WORK_EVERYWHERE.rpartition(".")[2])
    if everywhere.filter(Q(group__user=person) | Q(user=person)).exists():
        return False
    return not Theatre.objects.filter(staff=person).exclude(staff=of).exists()
