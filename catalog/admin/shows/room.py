"""The seat map of a show in the back office, where staff block and unblock seats."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.audited_admin import staff_user
from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.money import money_text
from booking_site.typed_text import LineFormField
from catalog.admin.base import BackOffice
from catalog.admin.drawing import draw, static_seat
from catalog.admin.shows.pages import show_context, show_for
from catalog.archived_rooms import seats_of
from catalog.models import Seat, SeatCategory, SeatStatus, Show
from catalog.seat_maps import block_seats, unblock_seats

MAY_CHANGE_SEATS = "catalog.change_seat"
# Suggestions; staff may enter any other reason.
REASONS = ("Broken", "House seat", "Distancing")


class SeatChangeForm(forms.Form):
    """The seats to block, with a reason, or to unblock."""

    action = forms.ChoiceField(choices=[("block", "Block"), ("free", "Unblock")])
    seat = forms.TypedMultipleChoiceField(
        coerce=int, error_messages={"required": "Select at least one seat."}
    )
    reason = LineFormField(max_length=200, required=False)

    def __init__(self, data: Any, *, seats: Sequence[Seat]) -> None:
        super().__init__(data)
        fields: dict[str, Any] = self.fields
        fields["seat"].choices = [(seat.pk, str(seat)) for seat in seats]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("action") == "block" and data.get("reason") == "":
            self.add_error("reason", "Enter a reason.")
        return data


def room_page(request: HttpRequest, show_id: int, *, show_admin: BackOffice[Show]) -> HttpResponse:
    """Show the seat map; a POST blocks or unblocks the selected seats."""
    show = show_for(request, show_admin, show_id)
    seats = seats_of(show)
    if request.method != "POST":
        return _room(request, show_admin, show, seats)
    if not request.user.has_perm(MAY_CHANGE_SEATS):
        raise PermissionDenied
    form = SeatChangeForm(request.POST, seats=seats)
    if not form.is_valid():
        return _room(request, show_admin, show, seats, form=form)
    try:
        done = _change(show, actor=staff_user(request), **form.cleaned_data)
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done)
    return HttpResponseRedirect(reverse("admin:catalog_show_room", args=[show.pk]))


def _change(show: Show, *, actor: User, action: str, seat: list[int], reason: str) -> str:
    """Block or unblock the seats, and return the success message. Raise DomainError."""
    if action == "block":
        seats = block_seats(show_id=show.pk, seat_ids=seat, reason=reason, actor=actor)
        return f"Blocked {_names(seats)}: {reason}"
    return f"Unblocked {_names(unblock_seats(show_id=show.pk, seat_ids=seat, actor=actor))}."


def _names(seats: Sequence[Seat]) -> str:
    names = sorted(seats, key=Seat.place)
    shown = ", ".join(map(str, names[:12]))
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


def _room(
    request: HttpRequest,
    show_admin: BackOffice[Show],
    show: Show,
    seats: Sequence[Seat],
    form: SeatChangeForm | None = None,
) -> HttpResponse:
    may_change = request.user.has_perm(MAY_CHANGE_SEATS)
    states = Counter(getattr(seat, "state_now", seat.status) for seat in seats)
    categories = Counter(seat.category for seat in seats)
    context = show_context(request, show_admin, show, title="Seat map")
    chosen = set(form.data.getlist("seat")) if form else set()  # type: ignore[attr-defined]
    context |= {
        "rows": draw(
            seats, _selectable_seat(chosen, show.theatre.currency) if may_change else static_seat
        ),
        "size": len(seats),
        "form": form,
        "selectable": may_change,
        "reasons": REASONS,
        "may_create": request.user.has_perm("catalog.add_seat"),
        "categories": [(kind, categories[kind]) for kind in SeatCategory if categories[kind]],
        "states": [(state, states[state]) for state in SeatStatus],
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK
    return TemplateResponse(request, "catalog/admin/room.html", context, status=status)


def _selectable_seat(chosen: Collection[str], currency: str) -> Callable[[Seat], SafeString]:
    """Return a function that renders a seat with a checkbox; `chosen` are the checked ids."""

    def render(seat: Seat) -> SafeString:
        state = getattr(seat, "state_now", seat.status)
        kind = SeatCategory(seat.category).label
        reason = f": {seat.block_reason}" if seat.block_reason else ""
        checked = "checked" if str(seat.pk) in chosen else ""
        return format_html(
            '<label class="seat {category} {state}"'
            ' title="{name}, {kind}, {price}, {state}{reason}">'
            '<input type="checkbox" name="seat" value="{id}" data-seat="{name}" {checked}'
            ' aria-label="{name}, {kind}, {state}{reason}"><b>{number}</b></label>',
            category=seat.category,
            state=state,
            name=seat,
            kind=kind,
            price=money_text(seat.price, currency),
            reason=reason,
            id=seat.pk,
            checked="disabled" if state in (SeatStatus.BOOKED, SeatStatus.HELD) else checked,
            number=seat.number,
        )

    return render
