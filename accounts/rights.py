"""Who may change whom in the back office, and which roles they may give."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils.module_loading import import_string

from accounts.models import User

# The name that has_perm takes, such as `catalog.add_show`.
_FULL_NAME = Concat("content_type__app_label", Value("."), "codename")


def may_change(*, actor: User, user: User) -> bool:
    """Return whether the actor may change the user in the back office.

    That is: edit or remove the account, set its password, give or take roles and theatres, end
    sign-ins, lift locks and remove second factors. Nobody may change a removed user, or themselves:
    the pages for that ask for the password or a code. Administrators may change everybody else.
    Others may change users, staff or not, whose permissions and theatres they all have: otherwise
    they could act as a user with more rights.
    """
    if user.pk == actor.pk or user.is_removed:
        return False
    if actor.is_superuser:
        return True
    if user.is_superuser or not _permissions_of(user) <= actor.get_all_permissions():
        return False
    is_colleague: Callable[..., bool] = import_string(settings.COLLEAGUE_CHECK)
    return is_colleague(user, of=actor)


def _permissions_of(user: User) -> set[str]:
    """Return the permissions of the user's roles and of the user alone, by full name."""
    # Not get_all_permissions: inactive users have none, but can be activated.
    given = Permission.objects.filter(Q(group__user=user) | Q(user=user))
    return set(given.order_by().values_list(_FULL_NAME, flat=True))


def grantable_roles(*, actor: User) -> QuerySet[Group]:
    """Return the roles whose permissions the actor has, who may therefore give them to others."""
    if actor.is_superuser:
        return Group.objects.all()
    missing = Permission.objects.alias(full_name=_FULL_NAME).exclude(
        full_name__in=actor.get_all_permissions()
    )
    return Group.objects.exclude(permissions__in=missing)
