"""What the pages of a show share, and the pages that other apps add."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.module_loading import import_string

from catalog.admin.base import BackOffice, local
from catalog.models import Show
from catalog.staff import within_theatres_of


class ShowPage(NamedTuple):
    """A page of a show that another app adds, with a button on the show's form."""

    name: str  # the last part of its URL
    title: str
    icon: str
    permission: str
    view: Callable[..., HttpResponse]  # takes request, show_id and show_admin

    @property
    def address(self) -> str:
        return f"admin:catalog_show_{self.name.replace('-', '_')}"


def extra_show_pages() -> list[ShowPage]:
    """Return the pages that other apps add, as `settings.EXTRA_SHOW_PAGES` lists them."""
    return [import_string(path) for path in settings.EXTRA_SHOW_PAGES]


def show_for(
    request: HttpRequest, show_admin: BackOffice[Show], show_id: int, *permissions: str
) -> Show:
    """Return a show of the user's theatres, with what its headings need.

    Raise PermissionDenied, also without one of the further permissions, or Http404.
    """
    if not show_admin.has_view_permission(request):
        raise PermissionDenied
    shows = Show.objects.select_related("movie", "theatre", "screen__theatre", "price_card")
    show = get_object_or_404(within_theatres_of(request.user, shows, "theatre"), pk=show_id)
    if not request.user.has_perms(permissions):
        raise PermissionDenied
    return show


def show_context(
    request: HttpRequest, show_admin: BackOffice[Show], show: Show, *, title: str
) -> dict[str, Any]:
    """Return the template context that all pages of a show need."""
    return show_admin.page_context(request, title=title) | {
        "show": show,
        "starts": local(show.start_time, show.theatre.zone),
    }
