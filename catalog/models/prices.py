"""Price cards, with one price per seat category."""

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from booking_site.money import AmountField
from booking_site.postgres.sort_keys import SortKeyField
from booking_site.typed_text import LineField
from catalog.models.theatres import digits_in_use


class SeatCategory(models.TextChoices):
    STANDARD = "standard", "Standard"
    PREMIUM = "premium", "Premium"
    WHEELCHAIR = "wheelchair", "Wheelchair"
    COMPANION = "companion", "Companion"


def card_digits(in_use: frozenset[int]) -> int:
    """Return the least number of decimal places with which prices of cards are written.

    A card has no currency: the number is two unless all currencies have the same other one.
    """
    return min(in_use) if len(in_use) == 1 else 2


class PriceCard(models.Model):
    name = LineField(
        max_length=80,
        unique=True,
        error_messages={"unique": "There is already a price card of that name."},
    )

    sort_key = SortKeyField(source="name")

    class Meta:
        db_table = "price_cards"
        ordering = ("sort_key", "name")

    def __str__(self) -> str:
        return self.name


class PriceCardLine(models.Model):
    price_card = models.ForeignKey(PriceCard, on_delete=models.CASCADE, related_name="lines")
    category = models.CharField(max_length=12, choices=SeatCategory)
    price = AmountField(max_digits=9, validators=[MinValueValidator(0)])

    class Meta:
        db_table = "price_card_lines"
        ordering = ("price_card", "category")
        constraints = (
            models.UniqueConstraint(
                fields=["price_card", "category"],
                name="price_card_one_line_per_category",
                violation_error_message="This card already has a price for that category.",
            ),
            models.CheckConstraint(
                condition=Q(category__in=SeatCategory.values), name="price_card_category_known"
            ),
            models.CheckConstraint(condition=Q(price__gte=0), name="price_card_price_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.get_category_display()} {self.price}"

    def clean(self) -> None:
        """Refuse a price with more digits than every currency, unless it is stored already."""
        digits = max(digits_in_use())
        if self.price is None or self.price == round(self.price, digits):
            return
        if not PriceCardLine.objects.filter(pk=self.pk, price=self.price).exists():
            raise ValidationError(
                {"price": f"The theatres' currencies have {digits or 'no'} decimal places."}
            )
