"""The page that applies a movie's new duration to its upcoming shows, after a preview."""

from http import HTTPStatus

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.audited_admin import staff_user
from booking_site.api.errors import DomainError
from catalog.admin.base import BackOffice
from catalog.models import Movie
from catalog.programme.durations import apply_durations, fingerprint, plan_durations
from catalog.staff import theatres_of

MAY_APPLY = "catalog.change_show"


def durations_page(
    request: HttpRequest, movie_id: int, *, movie_admin: BackOffice[Movie]
) -> HttpResponse:
    """Show what would change in the user's theatres; a POST applies it."""
    if not (movie_admin.has_view_permission(request) and request.user.has_perm(MAY_APPLY)):
        raise PermissionDenied
    movie = get_object_or_404(Movie, pk=movie_id)
    context = movie_admin.page_context(request, title="Update end times") | {"movie": movie}
    try:
        if request.method == "POST":
            return _apply(request, movie)
        plan = plan_durations(movie=movie, theatres=theatres_of(request.user))
        fitting = sum(new.fits for new in plan)
        context |= {"lines": plan, "fitting": fitting, "seen": fingerprint(plan)}
    except DomainError as refusal:
        context["refusal"] = refusal.message
    status = HTTPStatus.CONFLICT if "refusal" in context else HTTPStatus.OK
    return TemplateResponse(request, "catalog/admin/durations.html", context, status=status)


def _apply(request: HttpRequest, movie: Movie) -> HttpResponse:
    plan = apply_durations(
        movie_id=movie.pk,
        theatres=theatres_of(request.user),
        seen=request.POST.get("seen", ""),
        actor=staff_user(request),
    )
    done = sum(new.fits for new in plan)
    messages.success(request, f"Updated: {done}. Not changed: {len(plan) - done}.")
    return HttpResponseRedirect(reverse("admin:catalog_movie_durations", args=[movie.pk]))
