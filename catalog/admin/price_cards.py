"""Price cards in the back office: one price for each seat category."""

from typing import Any

from django.contrib import admin
from django.db.models import Field, QuerySet, Value
from django.http import HttpRequest

from booking_site.money import trimmed
from catalog.admin.base import TabularInline
from catalog.admin.exchange import ImportExportAdmin
from catalog.exchange.tables import PriceCardTable
from catalog.models import PriceCard, PriceCardLine, SeatCategory, card_digits, digits_in_use


class PriceCardLineInline(TabularInline[PriceCardLine, PriceCard]):
    model = PriceCardLine
    verbose_name_plural = "prices"
    max_num = len(SeatCategory)

    def get_extra(self, request: HttpRequest, obj: PriceCard | None = None, **kwargs: Any) -> int:
        return 0 if obj else len(SeatCategory)

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:  # the column heading is not attached to the input as a label
            field.widget.attrs["aria-label"] = str(db_field.verbose_name).capitalize()
        return field


@admin.register(PriceCard)
class PriceCardAdmin(ImportExportAdmin[PriceCard]):
    table = PriceCardTable
    list_display = ("name", "prices")
    search_fields = ("name",)
    inlines = (PriceCardLineInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceCard]:
        """Return the cards with `digits`: the decimal places of their prices."""
        cards = super().get_queryset(request).prefetch_related("lines")
        return cards.annotate(digits=Value(card_digits(digits_in_use())))

    def get_formset_kwargs(
        self, request: HttpRequest, obj: PriceCard, inline: Any, prefix: str
    ) -> dict[str, Any]:
        """Give a new card a line for every category; lines left without a price are ignored."""
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if obj.pk is None:
            kwargs["initial"] = [{"category": category} for category in SeatCategory.values]
        return kwargs

    def line_name(self, line: PriceCardLine) -> str:
        return line.get_category_display()

    @admin.display(description="prices")
    def prices(self, card: PriceCard) -> str:
        digits: int = card.digits  # type: ignore[attr-defined] # annotated
        prices = {line.category: trimmed(line.price, digits) for line in card.lines.all()}
        return " · ".join(f"{kind.label} {prices[kind]}" for kind in SeatCategory if kind in prices)
