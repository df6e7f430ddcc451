"""The dashboard of the back office: today in one theatre, and the week in all."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from accounts.audited_admin import staff_user
from accounts.waiting_mails import waiting_mails
from booking_site.local_time import clock
from booking_site.postgres.replica import read_from_replica
from catalog.admin.base import local
from catalog.admin.programme.week import week_address
from catalog.models import RefusedOverlap, Show, Theatre
from catalog.refused_overlaps import unresolved_overlaps
from catalog.staff import theatres_of
from reports import charts, dashboard
from reports.figures import DEFINITIONS
from reports.queries import Dimension, report
from reports.report_page import VIEW_REPORTS

MAX_ENTRIES = 20
CHART_DAYS = timedelta(days=13)


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the user may see: shows with `view_show`, their figures with `view_reports`.

    Raise Http404 if the query names a theatre where the user does not work.
    """
    user = staff_user(request)
    context |= {
        "page_groups": _page_groups(context["sidebar_navigation"]),
        "waiting_mails": waiting_mails(user),
    }
    if not user.has_perm("catalog.view_show"):
        return context
    theatres = list(theatres_of(user))
    theatre = _chosen(request, theatres)
    if theatre is None:
        return context | {"theatres": []}
    context |= {
        "theatres": theatres,
        "theatre": theatre,
        "business_day": dashboard.business_day_of(theatre),
        "shows_today": [_with_occupancy(show) for show in dashboard.shows_today(theatre)],
        **_needing_attention(dashboard.shows_needing_attention(theatres_of(user))),
        **_conflicts(unresolved_overlaps(theatres_of(user))),
    }
    if user.has_perm(VIEW_REPORTS):
        context |= read_from_replica(request, lambda using: _figures(theatre, theatres, using))
    return context


def _page_groups(groups: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the titles and pages of the sidebar groups, with the pages this user may open."""
    permitted = (
        (group["title"], [page for page in group["items"] if page["has_permission"]])
        for group in groups
    )
    return [(title, pages) for title, pages in permitted if pages]


def _chosen(request: HttpRequest, theatres: list[Theatre]) -> Theatre | None:
    wanted = request.GET.get("theatre")
    if wanted is None:
        return theatres[0] if theatres else None
    for theatre in theatres:
        if str(theatre.pk) == wanted:
            return theatre
    raise Http404


def _with_occupancy(show: Any) -> dict[str, Any]:
    sold, seats = show.seats_sold, show.seats_for_sale
    return {
        "show": show,
        "starts": clock(show.start_time, show.theatre.zone),
        "sold": sold,
        "seats": seats,
        "fill": 100 * sold // seats if seats else 0,
    }


def _needing_attention(shows: "QuerySet[Show]") -> dict[str, Any]:
    found = list(shows[: MAX_ENTRIES + 1])
    return {
        "needing_attention": [
            {
                "show": show,
                "warnings": [
                    text for name, text in dashboard.WARNINGS.items() if getattr(show, name)
                ],
            }
            for show in found[:MAX_ENTRIES]
        ],
        "more_needing_attention": len(found) > MAX_ENTRIES,
    }


def _conflicts(overlaps: "QuerySet[RefusedOverlap]") -> dict[str, Any]:
    found = list(overlaps[: MAX_ENTRIES + 1])
    return {
        "conflicts": [
            (
                overlap,
                week_address(overlap.screen.theatre, overlap.start_time),
                local(overlap.start_time, overlap.screen.theatre.zone),
                local(overlap.refused_at, overlap.screen.theatre.zone),
            )
            for overlap in found[:MAX_ENTRIES]
        ],
        "more_conflicts": len(found) > MAX_ENTRIES,
    }


def _figures(theatre: Theatre, theatres: list[Theatre], using: str) -> dict[str, Any]:
    day = dashboard.business_day_of(theatre)
    found = report(
        dimension=Dimension.DAY,
        theatres=[theatre],
        first=day - CHART_DAYS,
        last=day,
        using=using,
    )
    return {
        "weeks": dashboard.weeks(theatres, using=using),
        "charts": charts.of_report(found),
        "definitions": DEFINITIONS,
    }
