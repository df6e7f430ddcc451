"""The pages that create and replace the seat map of a show, after a preview."""

from collections import Counter
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
)

from accounts.audited_admin import staff_user
from booking_site.api.errors import DomainError
from booking_site.money import money_text
from catalog.admin.base import BackOffice
from catalog.admin.drawing import draw
from catalog.admin.shows.pages import show_context, show_for
from catalog.admin.shows.prices_form import PricesForm
from catalog.archived_rooms import seats_of
from catalog.layouts import MAX_ROWS, MAX_SEATS_PER_ROW, Layout, rows_by_seats
from catalog.models import SeatCategory, Show
from catalog.seat_maps import (
    PriceMissing,
    check_prices,
    make_seat_map,
    replace_seat_map,
)

MAY_MAKE_SEATS = "catalog.add_seat"


class SeatMapForm(PricesForm):
    """The source of the seats, and their prices. Sets `layout` and `prices` once it is valid."""

    source = forms.ChoiceField(
        choices=[("screen", "The screen's layout"), ("block", "Rows of equal length")],
        widget=UnfoldAdminRadioSelectWidget,
    )
    rows = forms.IntegerField(
        min_value=1, max_value=MAX_ROWS, required=False, widget=UnfoldAdminIntegerFieldWidget
    )
    seats_per_row = forms.IntegerField(
        min_value=1,
        max_value=MAX_SEATS_PER_ROW,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    premium_rows = forms.IntegerField(
        label="Premium rows at the back",
        min_value=0,
        max_value=MAX_ROWS,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, data: Any = None, *, show: Show) -> None:
        self.screen_layout = show.screen.parsed_layout if show.screen else None
        super().__init__(
            data,
            show=show,
            initial={
                "source": "screen" if self.screen_layout else "block",
                "price_card": show.price_card,
            },
        )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        if layout := self._layout(data):
            self.layout = layout
            try:
                check_prices(layout, self.prices)
            except PriceMissing as refusal:
                for category in refusal.facts["categories"]:
                    self.add_error(f"price_{category}", "Enter a price.")
        return data

    def _layout(self, data: dict[str, Any]) -> Layout | None:
        if data["source"] == "screen":
            if self.screen_layout is None:
                self.add_error("source", "This show has no screen with a layout.")
            return self.screen_layout
        for name in ("rows", "seats_per_row"):
            if data[name] is None:
                self.add_error(name, "Enter a number.")
        if self.errors:
            return None
        premium_rows = data["premium_rows"] or 0
        if premium_rows > data["rows"]:
            self.add_error("premium_rows", f"There are only {data['rows']} rows.")
            return None
        return rows_by_seats(
            rows=data["rows"], seats_per_row=data["seats_per_row"], premium_rows=premium_rows
        )


def seat_map_page(
    request: HttpRequest, show_id: int, *, show_admin: BackOffice[Show], replace: bool = False
) -> HttpResponse:
    """Preview and create a show's seat map; one that it has already must be replaced."""
    show = show_for(request, show_admin, show_id, MAY_MAKE_SEATS)
    title = "Replace seat map" if replace else "Create seat map"
    context = show_context(request, show_admin, show, title=title)
    if not replace and (size := len(seats_of(show))):
        context |= {"title": "Seat map", "size": size}
        return TemplateResponse(
            request, "catalog/admin/seat_map_exists.html", context, status=HTTPStatus.CONFLICT
        )
    form = SeatMapForm(request.POST if request.method == "POST" else None, show=show)
    context["form"] = form
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
        return TemplateResponse(request, "catalog/admin/seat_map_plan.html", context, status=status)
    if "confirm" not in request.POST:
        context |= _preview(form.layout, form.prices, show.theatre.currency)
        return TemplateResponse(request, "catalog/admin/seat_map_plan.html", context)
    write = replace_seat_map if replace else make_seat_map
    try:
        size = write(
            show_id=show.pk, layout=form.layout, prices=form.prices, actor=staff_user(request)
        )
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"Seat map with {size} seats created.")
    return HttpResponseRedirect(reverse("admin:catalog_show_room", args=[show.pk]))


def _preview(layout: Layout, prices: dict[str, Decimal], currency: str) -> dict[str, Any]:
    counts = Counter(place.category for place in layout.places)
    total = sum((prices[category] * n for category, n in counts.items()), Decimal(0))
    return {
        "preview": draw(layout.places),
        "size": layout.size,
        "sold_out_total": money_text(total, currency),
        "categories": [
            (kind, counts[kind], money_text(prices[kind], currency))
            for kind in SeatCategory
            if counts[kind]
        ],
    }
