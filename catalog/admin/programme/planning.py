"""Planning many shows: fill in a form, look at what it would do, then do it."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from catalog import programme
from catalog.admin.base import BackOffice
from catalog.admin.programme.forms import BulkForm, CopyForm, DraftForm
from catalog.admin.programme.week import MAY_PLAN, Place, page_context, place_of
from catalog.models import Show
from catalog.programme import Line, Verdict


def bulk_page(request: HttpRequest, *, show_admin: BackOffice[Show]) -> HttpResponse:
    """Plan one movie on many days and screens at the same times."""
    return _plan(request, show_admin, form_class=BulkForm, title="Plan shows")


def copy_page(request: HttpRequest, *, show_admin: BackOffice[Show]) -> HttpResponse:
    """Copy the week that the address names into another one."""
    return _plan(request, show_admin, form_class=CopyForm, title="Copy week")


def _plan(
    request: HttpRequest, show_admin: BackOffice[Show], *, form_class: type[DraftForm], title: str
) -> HttpResponse:
    """Show the form; a POST previews what it asks for, and with `confirm` carries it out.

    A reload after that carries it out again, and finds that everything exists.
    """
    place = place_of(request, show_admin)
    if place is None or not request.user.has_perms(MAY_PLAN):
        raise PermissionDenied
    data = request.POST if request.method == "POST" else None
    form = form_class(data, theatre=place.theatre, monday=place.monday)
    context = page_context(request, show_admin, title=title) | {
        "place": place,
        "form": form,
        "is_copy": form_class is CopyForm,
        "week_address": place.address("week"),
    }
    template = "catalog/admin/programme_plan.html"
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
        return TemplateResponse(request, template, context, status=status)
    target = _target(form, place)
    context |= {"target": target, "target_address": place.address("week", monday=target)}
    if "confirm" in request.POST:
        lines = programme.apply(draft=form.draft, actor=request.user)  # type: ignore[arg-type] # the site admits no anonymous user
        return TemplateResponse(
            request, "catalog/admin/programme_done.html", context | _summary(lines)
        )
    return TemplateResponse(
        request, template, context | _summary(programme.preview(draft=form.draft))
    )


def _target(form: DraftForm, place: Place) -> date:
    monday: date = form.cleaned_data.get("to_week", place.monday)
    return monday


def _summary(lines: Sequence[Line]) -> dict[str, Any]:
    counts = Counter(line.verdict for line in lines)
    warnings = Counter(warning for line in lines for warning in line.warnings)
    past_run = {line.reason for line in lines if line.verdict == Verdict.OUTSIDE_RUN}
    return {
        "lines": lines,
        "created": counts[Verdict.CREATED],
        "seats": sum(line.size for line in lines),
        "counts": [(verdict, counts[verdict]) for verdict in Verdict if counts[verdict]],
        "skipped": len(lines) - counts[Verdict.CREATED],
        "warnings": warnings.most_common(),
        "past_run": sorted(past_run),
        "asks_fold": counts[Verdict.TIME_AMBIGUOUS],
    }
