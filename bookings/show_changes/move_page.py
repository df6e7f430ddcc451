"""The pages that move a show or swap two screens, each with a preview of every seat."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.audited_admin import staff_user
from booking_site.api.errors import DomainError
from booking_site.typed_text import LineFormField
from bookings.show_changes.moving import Move, fingerprint, move_shows, plan_moves, swap_of
from catalog.admin.base import BackOffice, local
from catalog.admin.local_time import LocalTimeField, entered_moment
from catalog.admin.shows.pages import ShowPage, show_context, show_for
from catalog.models import Screen, Show, ShowStatus
from catalog.refused_overlaps import record_overlaps
from catalog.scheduling import ScreenTaken

MAY_MOVE = "catalog.change_show"


class ChangeForm(forms.Form):
    """A change of shows, with its reason. A valid form has `moves`."""

    reason = LineFormField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget({"placeholder": "e.g. projector broken"}),
        help_text="Shown in the history of the show.",
    )
    moves: Sequence[Move]

    def __init__(self, data: Any, *, show: Show, **options: Any) -> None:
        self.show = show
        super().__init__(data, **options)


class MoveForm(ChangeForm):
    screen = forms.ModelChoiceField(Screen.objects.none(), widget=UnfoldAdminSelectWidget)
    start = LocalTimeField(label="Start")
    field_order = ("screen", "start", "reason")

    def __init__(self, data: Any, *, show: Show) -> None:
        zone = show.theatre.zone
        initial = {"screen": show.screen, "start": show.start_time.astimezone(zone)}
        super().__init__(data, show=show, initial=initial)
        screens: Any = self.fields["screen"]
        screens.queryset = Screen.objects.filter(theatre=show.theatre_id).select_related("theatre")
        self.fields["start"].help_text = f"Local time of the theatre ({zone.key})."

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        start = entered_moment(self, "start", self.show.theatre.zone)
        if start is not None:
            if "start" not in self.changed_data:
                start = self.show.start_time  # which may have seconds
            self.moves = [Move(self.show.pk, data["screen"].pk, start)]
        return data


class SwapForm(ChangeForm):
    other = forms.ModelChoiceField(
        Show.objects.none(),
        label="Swap with",
        empty_label="Choose a show",
        widget=UnfoldAdminSelectWidget,
        help_text="Shows of this theatre that start within twelve hours, on other screens.",
    )
    field_order = ("other", "reason")

    def __init__(self, data: Any, *, show: Show) -> None:
        super().__init__(data, show=show)
        near = timedelta(hours=12)
        others: Any = self.fields["other"]
        others.queryset = (
            Show.objects.upcoming()
            .filter(
                theatre=show.theatre_id,
                screen__isnull=False,
                start_time__range=(show.start_time - near, show.start_time + near),
            )
            .exclude(status=ShowStatus.CANCELLED)
            .exclude(screen=show.screen_id)
            .select_related("movie", "theatre", "screen__theatre")
        )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors:
            self.moves = swap_of(self.show, data["other"])
        return data


def change_page(
    request: HttpRequest,
    show_id: int,
    *,
    show_admin: BackOffice[Show],
    form_class: type[MoveForm] | type[SwapForm],
    title: str,
) -> HttpResponse:
    """Show the form, then the preview of the change, then make it."""
    show = show_for(request, show_admin, show_id, MAY_MOVE)
    form = form_class(request.POST if request.method == "POST" else None, show=show)
    context = show_context(request, show_admin, show, title=title) | {"form": form}
    if form.is_valid():
        try:
            return _preview_or_move(request, form, context)
        except ScreenTaken as refusal:
            if refusal.show and "seen" in request.POST:  # previews are not recorded
                record_overlaps(
                    actor=staff_user(request), overlaps=[(refusal.show, refusal.rivals)]
                )
            form.add_error(None, refusal.message)
        except DomainError as refusal:
            form.add_error(None, refusal.message)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return TemplateResponse(request, "bookings/admin/move_show.html", context, status=status)


def _preview_or_move(
    request: HttpRequest, form: ChangeForm, context: dict[str, Any]
) -> HttpResponse:
    """Preview the moves, or make them if they were previewed. Raise DomainError."""
    show = form.show
    if "seen" in request.POST:
        move_shows(
            moves=form.moves,
            seen=request.POST["seen"],
            actor=staff_user(request),
            reason=form.cleaned_data["reason"],
        )
        messages.success(request, "Show moved. Customers will be notified by e-mail.")
        return HttpResponseRedirect(reverse("admin:catalog_show_change", args=[show.pk]))
    moved = plan_moves(form.moves)
    zone = show.theatre.zone
    context |= {
        "moved": [
            (each, local(each.show.start_time, zone), local(each.show.end_time, zone))
            for each in moved
        ],
        "seen": fingerprint(moved),
    }
    return TemplateResponse(request, "bookings/admin/move_show.html", context)


_move_page = partial(change_page, form_class=MoveForm, title="Move show")
_swap_page = partial(change_page, form_class=SwapForm, title="Swap screens")
MOVE_PAGE = ShowPage("move", "Move", "event_repeat", MAY_MOVE, _move_page)
SWAP_PAGE = ShowPage("swap", "Swap screens", "swap_horiz", MAY_MOVE, _swap_page)
