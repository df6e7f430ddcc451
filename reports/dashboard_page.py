"""The first page of the back office: what goes on today in one house, and the week in all."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse

from accounts.models import User
from catalog.admin.base import local
from catalog.admin.programme.week import week_address
from catalog.models import RefusedOverlap, Show, Theatre
from catalog.refused_overlaps import unresolved
from catalog.staff import theatres_of
from reports import charts, dashboard
from reports.figures import DEFINITIONS, Figures
from reports.queries import Dimension, report
from reports.report_page import VIEW_REPORTS

MOST_IN_NEED = 20
CHART_DAYS = timedelta(days=13)


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the user may see: shows with `view_show`, their sums with `view_reports`.

    Raise Http404 when the query names a theatre that is not the user's.
    """
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - the site lets nobody else in
    context |= {"doors": _doors(context["sidebar_navigation"])}
    if not user.has_perm("catalog.view_show"):
        return context
    theatres = list(theatres_of(user))
    theatre = _chosen(request, theatres)
    if theatre is None:
        return context | {"houses": []}
    context |= {
        "houses": theatres,
        "house": theatre,
        "business_day": dashboard.business_day_of(theatre),
        "shows_today": [_with_fill(show) for show in dashboard.shows_today(theatre)],
        **_needs(dashboard.shows_in_need(theatres_of(user))),
        **_refused(unresolved(theatres_of(user))),
    }
    if user.has_perm(VIEW_REPORTS):
        context |= _figures(theatre, theatres)
    return context


def _doors(groups: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the groups of the sidebar that have a page for this user, with these pages."""
    open_to_user = (
        (group["title"], [page for page in group["items"] if page["has_permission"]])
        for group in groups
    )
    return [(title, pages) for title, pages in open_to_user if pages]


def _chosen(request: HttpRequest, theatres: list[Theatre]) -> Theatre | None:
    wanted = request.GET.get("theatre")
    if wanted is None:
        return theatres[0] if theatres else None
    for theatre in theatres:
        if str(theatre.pk) == wanted:
            return theatre
    raise Http404


def _with_fill(show: Any) -> dict[str, Any]:
    sold, seats = show.seats_sold, show.seats_for_sale
    return {
        "show": show,
        "starts": f"{show.start_time.astimezone(show.theatre.zone):%H:%M}",
        "address": _address(show),
        "sold": sold,
        "seats": seats,
        "fill": 100 * sold // seats if seats else 0,
    }


def _needs(shows: "QuerySet[Show]") -> dict[str, Any]:
    found = list(shows[: MOST_IN_NEED + 1])
    return {
        "in_need": [
            {
                "show": show,
                "address": _address(show),
                "needs": [text for need, text in dashboard.NEEDS.items() if getattr(show, need)],
            }
            for show in found[:MOST_IN_NEED]
        ],
        "more_in_need": len(found) > MOST_IN_NEED,
    }


def _refused(wishes: "QuerySet[RefusedOverlap]") -> dict[str, Any]:
    found = list(wishes[: MOST_IN_NEED + 1])
    return {
        "refused": [
            {
                "wish": wish,
                "wanted": local(wish.start_time, wish.screen.theatre.zone),
                "asked": local(wish.refused_at, wish.screen.theatre.zone),
                "address": week_address(wish.screen.theatre, wish.start_time),
            }
            for wish in found[:MOST_IN_NEED]
        ],
        "more_refused": len(found) > MOST_IN_NEED,
    }


def _address(show: Show) -> str:
    return reverse("admin:catalog_show_change", args=[show.pk])


def _figures(theatre: Theatre, theatres: list[Theatre]) -> dict[str, Any]:
    day = dashboard.business_day_of(theatre)
    found = report(
        dimension=Dimension.DAY, theatre_ids=[theatre.pk], first=day - CHART_DAYS, last=day
    )
    return {
        "weeks": [
            {
                "week": week,
                "pairs": [
                    ("Today", week.today, _change(week.today, week.same_day), week.same_day),
                    (
                        "This week",
                        week.this_week,
                        _change(week.this_week, week.last_week),
                        week.last_week,
                    ),
                ],
            }
            for week in dashboard.weeks([theatre.pk for theatre in theatres])
        ],
        "charts": charts.of_report(found),
        "definitions": DEFINITIONS,
    }


def _change(now: Figures, before: Figures) -> int | None:
    """Return by how many percent the takings grew; None when there were none."""
    return round(100 * (now.gross - before.gross) / before.gross) if before.gross else None
