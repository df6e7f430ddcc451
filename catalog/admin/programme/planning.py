"""The pages that plan many shows: a form, its preview, then the result."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.audited_admin import staff_user
from catalog.admin.base import BackOffice
from catalog.admin.programme.forms import CopyForm, PlanForm
from catalog.admin.programme.week import MAY_PLAN, place_of
from catalog.models import Show
from catalog.programme import plans
from catalog.programme.plans import PlanResult, Verdict


def plan_page(
    request: HttpRequest, *, show_admin: BackOffice[Show], form_class: type[PlanForm], title: str
) -> HttpResponse:
    """Show the form; a POST previews the plan, and with `confirm` applies it.

    Reloading the result page applies the plan again, which creates nothing.
    """
    place = place_of(request, show_admin)
    if place is None or not request.user.has_perms(MAY_PLAN):
        raise PermissionDenied
    data = request.POST if request.method == "POST" else None
    form = form_class(data, theatre=place.theatre, monday=place.monday)
    context = show_admin.page_context(request, title=title) | {
        "place": place,
        "form": form,
        "is_copy": form_class is CopyForm,
        "week_address": place.address("week"),
    }
    template = "catalog/admin/programme_plan.html"
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
        return TemplateResponse(request, template, context, status=status)
    target: date = form.cleaned_data.get("to_week", place.monday)
    context |= {"target": target, "target_address": place.address("week", monday=target)}
    if "confirm" in request.POST:
        results = plans.apply(plan=form.plan, actor=staff_user(request))
        template = "catalog/admin/programme_done.html"
    else:
        results = plans.preview(plan=form.plan)
    return TemplateResponse(request, template, context | _summary(results))


def _summary(lines: Sequence[PlanResult]) -> dict[str, Any]:
    counts = Counter(line.verdict for line in lines)
    warnings = Counter(warning for line in lines for warning in line.warnings)
    past_run = {line.reason for line in lines if line.verdict == Verdict.OUTSIDE_RUN}
    return {
        "lines": lines,
        "created": counts[Verdict.CREATED],
        "seats": sum(line.seat_count for line in lines),
        "counts": [(verdict, counts[verdict]) for verdict in Verdict if counts[verdict]],
        "skipped": len(lines) - counts[Verdict.CREATED],
        "warnings": warnings.most_common(),
        "past_run": sorted(past_run),
        "asks_fold": counts[Verdict.TIME_AMBIGUOUS],
    }
