"""The page that changes the prices of a show's unsold seats, after a preview."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.audited_admin import staff_user
from booking_site.api.errors import DomainError
from booking_site.money import money_text
from booking_site.typed_text import LineFormField
from catalog.admin.base import BackOffice
from catalog.admin.shows.pages import show_context, show_for
from catalog.admin.shows.prices_form import PricesForm
from catalog.models import SeatCategory, Show
from catalog.repricing import plan_repricing, reprice_unsold

MAY_REPRICE = ("catalog.change_seat", "catalog.change_pricecard")


class RepricingForm(PricesForm):
    """New prices for the unsold seats of a show, and the reason."""

    reason = LineFormField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget({"placeholder": "e.g. premiere week is over"}),
        help_text="Shown in the history of the show.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.errors and not self.prices:
            self.add_error("price_card", "Choose a price card, or enter a price below.")
        return data


def repricing_page(
    request: HttpRequest, show_id: int, *, show_admin: BackOffice[Show]
) -> HttpResponse:
    """Ask for prices, show old and new price by category, and write them once confirmed."""
    show = show_for(request, show_admin, show_id, *MAY_REPRICE)
    data = request.POST if request.method == "POST" else None
    form = RepricingForm(data, show=show, initial={"price_card": show.price_card})
    context = show_context(request, show_admin, show, title="Change prices") | {"form": form}
    if form.is_valid():
        try:
            if "confirm" in request.POST:
                return _write(request, form, show)
            context |= _preview(form, show)
        except DomainError as refusal:
            form.add_error(None, refusal.message)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return TemplateResponse(request, "catalog/admin/repricing.html", context, status=status)


def _write(request: HttpRequest, form: RepricingForm, show: Show) -> HttpResponse:
    count = reprice_unsold(
        show_id=show.pk,
        prices=form.prices,
        price_card=form.cleaned_data["price_card"],
        reason=form.cleaned_data["reason"],
        actor=staff_user(request),
    )
    messages.success(request, f"Prices of {count} seats changed.")
    return HttpResponseRedirect(reverse("admin:catalog_show_change", args=[show.pk]))


def _preview(form: RepricingForm, show: Show) -> dict[str, Any]:
    """Return the changes, and the prices as hidden fields, in case the card is edited meanwhile.

    Raise DomainError.
    """
    plan = plan_repricing(show_id=show.pk, prices=form.prices)
    return {
        "plan": [
            (
                line,
                money_text(line.was, show.theatre.currency),
                money_text(line.becomes, show.theatre.currency),
            )
            for line in plan
        ],
        "changing": sum(line.unsold for line in plan if line.changes),
        "fixed_prices": [
            (f"price_{category}", form.prices[category])
            for category in SeatCategory
            if category in form.prices
        ],
        "fixed": [form["price_card"], form["reason"]],
    }
