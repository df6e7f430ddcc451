"""The rooms of past shows whose seats nobody booked have been deleted."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q

from booking_site.money import AmountField
from catalog.models.shows import Show

_SEATS = "cardinality(array_remove(seat_ids, NULL))"
_BLOCKED = "cardinality(array_remove(block_reasons, NULL))"


class ArchivedRoom(models.Model):
    """The room of a past show, with what is needed of each seat whose row has been deleted.

    Each array has an entry for each place of the layout, in its order; null for a seat that still
    has a row. `layout` is empty if the room can't be written as a layout: then no row is deleted.
    """

    # The migration adds a foreign key that deletes the row with the show, even by plain SQL.
    show = models.OneToOneField(
        Show,
        on_delete=models.DO_NOTHING,
        primary_key=True,
        related_name="archived_room",
        db_constraint=False,
    )
    layout = models.TextField()
    has_positions = models.BooleanField(help_text="Whether its seats have `x` and `y`.")
    seat_ids = ArrayField(models.BigIntegerField(null=True))
    prices = ArrayField(AmountField(max_digits=9, null=True))
    block_reasons = ArrayField(
        models.CharField(max_length=200, null=True),
        help_text="Null for an available seat, otherwise the reason, which can be empty.",
    )
    lowest_prices = models.JSONField(
        default=dict,
        db_default={},
        help_text="By category, as strings: of the available seats whose rows have been deleted.",
    )
    seats_hash = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The bitwise XOR of `facts` of the seats whose rows have been deleted; 0 in rooms"
        " archived before this column existed.",
    )
    # What lists and reports add to the seats that have a row.
    seat_count = models.GeneratedField(
        expression=Func(template=_SEATS, output_field=models.IntegerField()),
        output_field=models.IntegerField(),
        db_persist=True,
    )
    available_count = models.GeneratedField(
        expression=Func(template=f"{_SEATS} - {_BLOCKED}", output_field=models.IntegerField()),
        output_field=models.IntegerField(),
        db_persist=True,
    )

    class Meta:
        db_table = "archived_rooms"
        constraints = (
            models.CheckConstraint(
                condition=Q(seat_ids__len=F("prices__len"))
                & Q(seat_ids__len=F("block_reasons__len")),
                name="archived_room_arrays_agree",
            ),
        )

    def __str__(self) -> str:
        return f"Room of show {self.show_id}"
