"""Who of the staff works where: each in their own theatres, some in every one."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

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
