"""Who may change whom in the back office, and which roles they may give."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils.module_loading import import_string

from accounts.models import User

# As has_perm writes it, such as `catalog.add_show`.
_NAME = Concat("content_type__app_label", Value("."), "codename")


def may_change(*, actor: User, person: User) -> bool:
    """Return whether the actor may change the person.

    That is: edit or remove the account, set its password, give or take roles and theatres, end
    sign-ins, lift locks and remove second factors. Nobody may do so to themselves, because their
    own pages ask for the password or a code, nor to a removed user. Administrators may do so to
    everybody else. Others may do so to those who have no permission and no theatre that the actor
    lacks, whether or not they are staff: otherwise the actor could act as that user.
    """
    if person.pk == actor.pk or person.is_removed:
        return False
    if actor.is_superuser:
        return True
    if person.is_superuser or not permissions_of(person) <= actor.get_all_permissions():
        return False
    is_colleague: Callable[..., bool] = import_string(settings.COLLEAGUE_CHECK)
    return is_colleague(person, of=actor)


def permissions_of(person: User) -> set[str]:
    """Return the permissions given to the person, which take effect while they are active."""
    # Not get_all_permissions: inactive users have none, but can be activated.
    given = Permission.objects.filter(Q(group__user=person) | Q(user=person))
    return set(given.order_by().values_list(_NAME, flat=True))


def roles_to_give(*, actor: User) -> QuerySet[Group]:
    """Return the roles that the actor may give: those whose permissions the actor has."""
    if actor.is_superuser:
        return Group.objects.all()
    missing = Permission.objects.alias(held_name=_NAME).exclude(
        held_name__in=actor.get_all_permissions()
    )
    return Group.objects.exclude(permissions__in=missing)
