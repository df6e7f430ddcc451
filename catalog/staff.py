"""Who of the staff works where: each in their own theatres, some in every one."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts.models import User
from catalog.models import Theatre

WORK_EVERYWHERE = "catalog.work_everywhere"


def theatres_of(user: User | AnonymousUser) -> QuerySet[Theatre]:
    """Return the theatres whose programme, sales and figures this member of staff may see."""
    if user.has_perm(WORK_EVERYWHERE):
        return Theatre.objects.all()
    if user.is_anonymous:
        return Theatre.objects.none()  # a filter by no key would find theatres without staff
    return Theatre.objects.filter(staff=user.pk)
