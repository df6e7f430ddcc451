"""The page that moves upcoming shows to the local times that they were planned for."""

from collections.abc import Iterator
from http import HTTPStatus
from itertools import groupby
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.audited_admin import staff_user
from booking_site.api.errors import DomainError
from booking_site.postgres.sort_keys import sort_key
from bookings.show_changes.move_page import MAY_MOVE
from bookings.show_changes.moving import Move, fingerprint, move_shows, plan_moves
from catalog.admin.base import local
from catalog.clock_changes import planned_moment, shows_to_move
from catalog.models import Show, Theatre
from catalog.staff import theatres_of

REASON = "The time zone data changed."


@require_http_methods(["GET", "POST"])
def clock_page(request: HttpRequest) -> HttpResponse:
    """List the shows that no longer start when planned; a POST moves those of one theatre."""
    theatres = theatres_of(staff_user(request))
    refusal = ""
    if request.method == "POST":
        try:
            chosen = [each for each in theatres if str(each.pk) == request.POST.get("theatre")]
            moved = move_shows(
                moves=_moves(shows_to_move(chosen)),
                seen=request.POST.get("seen", ""),
                actor=staff_user(request),
                reason=REASON,
            )
            messages.success(request, f"Moved: {len(moved)}. Customers will be notified by e-mail.")
            return redirect("clock-changes")
        except DomainError as error:
            refusal = str(error)
    context = {
        **admin.site.each_context(request),
        "title": "Changed time zones",
        "refusal": refusal,
        "theatres": [_preview(theatre, shows) for theatre, shows in _by_theatre(theatres)],
    }
    status = HTTPStatus.CONFLICT if refusal else HTTPStatus.OK
    return TemplateResponse(request, "bookings/admin/clock_changes.html", context, status=status)


def _by_theatre(theatres: Any) -> Iterator[tuple[Theatre, list[Show]]]:
    shows = sorted(
        shows_to_move(theatres), key=lambda show: (sort_key(show.theatre.name), show.theatre_id)
    )
    for theatre, group in groupby(shows, key=lambda show: show.theatre):
        yield theatre, list(group)


def _moves(shows: list[Show]) -> list[Move]:
    """Return the moves, except of shows whose planned time is skipped or over."""
    now = timezone.now()
    moments = [(show, planned_moment(show)) for show in shows]
    return [
        Move(show.pk, show.screen_id, moment) for show, moment in moments if moment and moment > now
    ]


def _preview(theatre: Theatre, shows: list[Show]) -> dict[str, Any]:
    preview: dict[str, Any] = {"theatre": theatre, "lines": [_line(show) for show in shows]}
    try:
        moved = plan_moves(_moves(shows))
    except DomainError as error:
        return preview | {"refusal": str(error)}
    return preview | {"moved": len(moved), "seen": fingerprint(moved)}


def _line(show: Show) -> tuple[Show, str, str]:
    """Return the show, when it starts, and its planned time, "" if clocks skip it."""
    zone = show.theatre.zone
    return show, local(show.start_time, zone), local(planned_moment(show), zone)


may_move = permission_required(MAY_MOVE, raise_exception=True)
urlpatterns = [path("", admin.site.admin_view(may_move(clock_page)), name="clock-changes")]
