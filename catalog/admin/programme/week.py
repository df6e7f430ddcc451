"""The week view of a theatre: every screen and show on one page."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date

from accounts.audited_admin import staff_user
from catalog.admin.base import BackOffice
from catalog.models import Show, ShowStatus, Theatre
from catalog.programme import weeks
from catalog.programme.days import business_day, monday_of
from catalog.staff import theatres_of

WEEK = timedelta(days=7)
YEARS = range(2000, 2100)
MAY_PLAN = ("catalog.add_show", "catalog.add_seat")
MAY_OPEN = "catalog.change_show"


class Place(NamedTuple):
    """The theatre and week of a page, and the theatres to switch to."""

    theatre: Theatre
    monday: date
    theatres: list[Theatre]

    def address(self, page: str, *, monday: date | None = None) -> str:
        query = QueryDict(mutable=True)
        query["theatre"] = str(self.theatre.pk)
        query["week"] = (monday or self.monday).isoformat()
        return f"{reverse(f'admin:catalog_show_{page}')}?{query.urlencode()}"

    @property
    def this_monday(self) -> date:
        return monday_of(business_day(timezone.now(), self.theatre.zone))


def week_address(theatre: Theatre, moment: datetime) -> str:
    """Return the URL of the week view that shows this moment."""
    monday = monday_of(business_day(moment, theatre.zone))
    return Place(theatre, monday, [theatre]).address("week")


def week_page(request: HttpRequest, *, show_admin: BackOffice[Show]) -> HttpResponse:
    """Draw a week; by default the current week of the user's first theatre."""
    place = place_of(request, show_admin)
    if place is None:
        return TemplateResponse(
            request,
            "catalog/admin/programme_week.html",
            show_admin.page_context(request, title="Week"),
        )
    week = weeks.week(theatre=place.theatre, monday=place.monday)
    planned = [block for block in week.blocks if block.show.status == ShowStatus.PLANNED]
    may_plan = request.user.has_perms(MAY_PLAN)
    context = show_admin.page_context(request, title=f"Week of {place.theatre}") | {
        "place": place,
        "week": week,
        "previous": place.address("week", monday=place.monday - WEEK),
        "next": place.address("week", monday=place.monday + WEEK),
        "today": place.address("week", monday=place.this_monday),
        "business_day": business_day(timezone.now(), place.theatre.zone),
        "plan": place.address("plan") if may_plan else None,
        "copy": place.address("copy_week") if may_plan and week.blocks else None,
        "open": place.address("open_week") if request.user.has_perm(MAY_OPEN) else None,
        "planned": [block for block in planned if block.seats],
        "without_seats": [block for block in week.blocks if not block.seats],
    }
    return TemplateResponse(request, "catalog/admin/programme_week.html", context)


def open_week_page(request: HttpRequest, *, show_admin: BackOffice[Show]) -> HttpResponse:
    """Open the planned shows of the week for sale."""
    place = place_of(request, show_admin)
    if place is None or not request.user.has_perm(MAY_OPEN):
        raise PermissionDenied
    if request.method == "POST":
        opened = weeks.open_planned(
            theatre=place.theatre,
            monday=place.monday,
            actor=staff_user(request),
        )
        messages.success(request, f"Shows opened for sale: {len(opened)}.")
    return HttpResponseRedirect(place.address("week"))


def place_of(request: HttpRequest, show_admin: BackOffice[Show]) -> Place | None:
    """Return the theatre and week in the URL; None for users without a theatre.

    Raise PermissionDenied, or Http404 for another theatre or an invalid week.
    """
    if not show_admin.has_view_permission(request):
        raise PermissionDenied
    theatres = list(theatres_of(request.user))
    if not theatres:
        return None
    wanted = request.GET.get("theatre")
    theatre = next((t for t in theatres if wanted in (None, "", str(t.pk))), None)
    if theatre is None:
        raise Http404("You don't work in a theatre with this id.")
    today = business_day(timezone.now(), theatre.zone)
    return Place(theatre, monday_of(_day(request.GET.get("week")) or today), theatres)


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        raise Http404("This week is out of range.")
    return day
