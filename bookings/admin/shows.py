"""What sales add to the pages of a show: who may move and cancel it, and how it is found."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from catalog.admin.shows import ShowAdmin
from catalog.models import Show
from catalog.staff import theatres_of

MAY_MOVE = "catalog.change_show"
MAY_CANCEL = "catalog.cancel_show"


def show_of(request: HttpRequest, show_admin: ShowAdmin, show_id: int) -> Show:
    """Return a show of a theatre one works in. Raise PermissionDenied or Http404."""
    if not show_admin.has_view_permission(request):
        raise PermissionDenied
    shows = Show.objects.filter(theatre__in=theatres_of(request.user))
    return get_object_or_404(
        shows.select_related("movie", "theatre", "screen__theatre", "price_card"), pk=show_id
    )
