"""The seats of shows, and their status at this moment."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Concat

from booking_site.money import AmountField
from booking_site.postgres.clock import ClockTimestamp
from catalog.layouts import MAX_SECTION_NAME, row_order, seat_name
from catalog.models.prices import SeatCategory


class SeatStatus(models.TextChoices):
    AVAILABLE = "available", "Available"
    BOOKED = "booked", "Booked"
    HELD = "held", "Held"
    BLOCKED = "blocked", "Blocked"


# The block reason of a seat that the original system sold and whose booking has not been imported.
SOLD_BEFORE = "Sold by the original system"


_LAPSED = Q(status=SeatStatus.HELD, held_until__lte=ClockTimestamp())
FREE_SEAT = Q(status=SeatStatus.AVAILABLE) | _LAPSED
# The effective status: a seat whose hold has expired is available.
STATE_NOW = Case(When(_LAPSED, then=Value(SeatStatus.AVAILABLE.value)), default=F("status"))


# Part of the fingerprints below. Raise it when `bookings.room_layout` returns something else for
# the same seats, because clients may use a layout for a year after they received it.
LAYOUT_FORMAT = 1


def layout_fingerprint(seats_hash: int) -> str:
    """Return the fingerprint of the layout of seats, given the bitwise XOR of their `facts`.

    It changes with the layout, and with prices.
    """
    return f"{LAYOUT_FORMAT}-{seats_hash % 2**64:016x}"


class SeatQuerySet(models.QuerySet["Seat"]):
    def free(self) -> "SeatQuerySet":
        """Seats that anyone may book at this moment."""
        return self.filter(FREE_SEAT)

    def taken(self) -> "SeatQuerySet":
        """Seats that are sold, or on hold at this moment."""
        return self.exclude(FREE_SEAT).exclude(status=SeatStatus.BLOCKED)


class Seat(models.Model):
    """A seat of one show.

    `row` starts with the section, such as `Balcony A`, except in the first section of a layout.
    `held` with `held_until` in the past means available, by the database's clock. `x` is the
    cell and `y` the line of the layout. `hold_id` is the id of a hold in `bookings`, which this
    app does not import.
    """

    show = models.ForeignKey(
        "catalog.Show", on_delete=models.CASCADE, related_name="seats", db_index=False
    )
    row = models.CharField(max_length=32)
    number = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    price = AmountField(max_digits=9, validators=[MinValueValidator(0)])
    status = models.CharField(
        max_length=12,
        choices=SeatStatus,
        default=SeatStatus.AVAILABLE,
        db_default=SeatStatus.AVAILABLE,
    )
    category = models.CharField(
        max_length=12,
        choices=SeatCategory,
        default=SeatCategory.STANDARD,
        db_default=SeatCategory.STANDARD,
    )
    section = models.CharField(
        max_length=MAX_SECTION_NAME, blank=True, default="", db_default="", editable=False
    )
    x = models.PositiveSmallIntegerField(null=True, blank=True)
    y = models.PositiveSmallIntegerField(null=True, blank=True)
    hold_id = models.UUIDField(null=True, blank=True, editable=False)
    held_until = models.DateTimeField(null=True, blank=True, editable=False)
    block_reason = models.CharField(max_length=200, blank=True, default="", db_default="")

    objects = SeatQuerySet.as_manager()

    class Meta:
        db_table = "seats"
        constraints = (
            models.UniqueConstraint(fields=["show", "row", "number"], name="seat_one_per_place"),
            # The target of the bookings' foreign key that ties a booking's seat to its show.
            models.UniqueConstraint(fields=["id", "show"], name="seat_with_show"),
            models.CheckConstraint(condition=Q(number__gte=1), name="seat_number_positive"),
            models.CheckConstraint(condition=~Q(row=""), name="seat_row_named"),
            models.CheckConstraint(
                condition=(
                    Q(section="")
                    | ~Q(row__contains=" ")
                    | Q(row__startswith=Concat("section", Value(" ")))
                ),
                name="seat_row_in_section",
            ),
            models.CheckConstraint(condition=Q(price__gte=0), name="seat_price_not_negative"),
            models.CheckConstraint(
                condition=Q(status__in=SeatStatus.values), name="seat_status_known"
            ),
            models.CheckConstraint(
                condition=Q(category__in=SeatCategory.values), name="seat_category_known"
            ),
            models.CheckConstraint(
                condition=(
                    Q(status=SeatStatus.HELD, hold_id__isnull=False, held_until__isnull=False)
                    | (
                        ~Q(status=SeatStatus.HELD)
                        & Q(hold_id__isnull=True, held_until__isnull=True)
                    )
                ),
                name="seat_held_has_hold_and_end",
            ),
        )

    def __str__(self) -> str:
        return seat_name(self.row, self.number)

    def place(self) -> tuple[tuple[str, int, str], int]:
        """Return the sort key: by row, then by number."""
        return row_order(self.row), self.number
