"""Counted sales of past shows, so that reports need not read every booking."""

from django.db import models
from django.db.models import Q

from booking_site.money import AmountField
from catalog.models import Show


class CountedShow(models.Model):
    """A past show whose sales are counted in `counted_sales`.

    Database triggers (bookings, migration 0007) delete this row in the transaction that
    changes the sales. `counted_at` is null between marking and counting, see
    reports/summaries.py.
    """

    # Triggers delete the row with the show, also if plain SQL deletes the show.
    show = models.OneToOneField(
        Show, on_delete=models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    seats_for_sale = models.PositiveIntegerField(null=True)
    counted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "counted_shows"
        permissions = (("view_reports", "Can see admissions and takings"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(seats_for_sale__isnull=True, counted_at__isnull=True)
                | Q(seats_for_sale__isnull=False, counted_at__isnull=False),
                name="counted_show_whole",
            ),
        )

    def __str__(self) -> str:
        return f"Show {self.show_id}, counted {self.counted_at}"


class CountedSales(models.Model):
    """The live bookings of a counted show, by channel and currency.

    Both are empty for bookings without an order; their prices are in the theatre's currency.
    """

    show = models.ForeignKey(
        CountedShow,
        on_delete=models.DO_NOTHING,
        related_name="sales",
        db_index=False,
        db_constraint=False,
    )
    channel = models.CharField(max_length=12)
    currency = models.CharField(max_length=3)
    admissions = models.PositiveIntegerField()
    priced = models.PositiveIntegerField(help_text="The admissions whose price is known.")
    gross = AmountField(max_digits=13)

    class Meta:
        db_table = "counted_sales"
        constraints = (
            models.UniqueConstraint(
                fields=["show", "channel", "currency"], name="counted_sales_one_per_kind"
            ),
        )

    def __str__(self) -> str:
        return f"{self.admissions} of show {self.show_id}"
