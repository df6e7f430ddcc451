"""A form for prices: a card, and prices that override it."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from booking_site.money import digits_of
from catalog.models import PriceCard, SeatCategory, Show
from catalog.seat_maps import PriceNotExpressible, prices_of, require_expressible


class PricesForm(forms.Form):
    """A card, and a price for each category that overrides the card's.

    Sets `prices`, by category, once it is valid: amounts in the currency of the show's theatre.
    """

    price_card = forms.ModelChoiceField(
        PriceCard.objects.all(),
        required=False,
        empty_label="None (use the prices below)",
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, show: Show, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = show.theatre.currency
        for category in SeatCategory:
            self.fields[f"price_{category}"] = forms.DecimalField(
                label=f"{category.label} price",
                min_value=Decimal(0),
                max_digits=9,
                decimal_places=max(2, digits_of(self.currency)),
                required=False,
                widget=UnfoldAdminDecimalFieldWidget,
            )

    @property
    def price_fields(self) -> list[forms.BoundField]:
        return [self[f"price_{category}"] for category in SeatCategory]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        typed = {category.value: data[f"price_{category}"] for category in SeatCategory}
        self.prices = (prices_of(data["price_card"]) if data["price_card"] else {}) | {
            category: price for category, price in typed.items() if price is not None
        }
        try:
            require_expressible(self.prices, self.currency)
        except PriceNotExpressible as refusal:
            for category in refusal.facts["categories"]:
                self.add_error(f"price_{category}", refusal.message)
        return data
