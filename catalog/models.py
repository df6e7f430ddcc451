"""What is shown where and when: movies, theatres, screens, prices, shows and their seats."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Count, Deferrable, F, Func, Min, OuterRef, Q, Subquery, Value
from django.db.models.functions import Cast, Coalesce, JSONObject, Now

from catalog import layouts


def validate_timezone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            "“%(name)s” is no time zone. Use an IANA name such as Europe/Vienna.",
            params={"name": name},
        )


class Timestamped(models.Model):
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        abstract = True


class Movie(Timestamped):
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="", db_default="")
    duration_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Running time in minutes. Needed before a show on a screen can be planned.",
    )
    certificate = models.CharField(
        max_length=12, blank=True, default="", db_default="", help_text="Age rating, e.g. PG."
    )
    language = models.CharField(
        max_length=35, blank=True, default="", db_default="", help_text="Original language."
    )
    genres = ArrayField(
        models.CharField(max_length=40),
        blank=True,
        default=list,
        db_default=Value([], output_field=ArrayField(models.CharField(max_length=40))),
        help_text="Separated by commas.",
    )
    poster_url = models.URLField(max_length=500, blank=True, default="", db_default="")
    release_date = models.DateField(null=True, blank=True)

    class Meta:
        db_table = "movies"
        ordering = ("title", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(duration_minutes__isnull=True) | Q(duration_minutes__gte=1),
                name="movie_duration_positive",
            ),
        )

    def __str__(self) -> str:
        return self.title


class GapRule(models.TextChoices):
    OFF = "off", "Off: customers may leave single seats"
    MIDDLE_ONLY = "middle_only", "On: no single seat left between two taken ones"


class Theatre(Timestamped):
    name = models.CharField(max_length=200)
    location = models.CharField(max_length=300, blank=True, default="", db_default="")
    timezone = models.CharField(
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[validate_timezone],
        help_text="IANA name. All times of this theatre are entered and shown in it.",
    )
    currency = models.CharField(
        max_length=3,
        default="USD",
        db_default="USD",
        validators=[RegexValidator(r"^[A-Z]{3}$", "Use the three capital letters of ISO 4217.")],
        help_text="ISO 4217 code, e.g. EUR.",
    )
    gap_rule = models.CharField(
        "single seats",
        max_length=12,
        choices=GapRule,
        default=GapRule.OFF,
        db_default=GapRule.OFF,
    )

    class Meta:
        db_table = "theatres"
        ordering = ("name", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(gap_rule__in=GapRule.values), name="theatre_gap_rule_known"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="theatre_currency_iso"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)


class Screen(models.Model):
    theatre = models.ForeignKey(Theatre, on_delete=models.PROTECT, related_name="screens")
    name = models.CharField(max_length=80)
    layout = models.TextField(blank=True, default="", validators=[layouts.validate_layout])
    turnaround_minutes = models.PositiveSmallIntegerField(
        "turnaround",
        default=20,
        help_text="Minutes between the end of one show and the start of the next.",
    )

    class Meta:
        db_table = "screens"
        ordering = ("theatre", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["theatre", "name"],
                name="screen_one_name_per_theatre",
                violation_error_message="This theatre already has a screen of that name.",
            ),
            # Lets a show's foreign key say: my screen stands in my theatre.
            models.UniqueConstraint(fields=["id", "theatre"], name="screen_with_theatre"),
        )

    def __str__(self) -> str:
        return f"{self.theatre}, {self.name}"


class SeatCategory(models.TextChoices):
    STANDARD = "standard", "Standard"
    PREMIUM = "premium", "Premium"
    WHEELCHAIR = "wheelchair", "Wheelchair"
    COMPANION = "companion", "Companion"


class PriceCard(models.Model):
    name = models.CharField(
        max_length=80,
        unique=True,
        error_messages={"unique": "There is already a price card of that name."},
    )

    class Meta:
        db_table = "price_cards"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class PriceCardLine(models.Model):
    price_card = models.ForeignKey(PriceCard, on_delete=models.CASCADE, related_name="lines")
    category = models.CharField(max_length=12, choices=SeatCategory)
    price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(0)])

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


class ShowStatus(models.TextChoices):
    PLANNED = "planned", "Planned"
    OPEN = "open", "Open for sale"
    CANCELLED = "cancelled", "Cancelled"


class ShowQuerySet(models.QuerySet["Show"]):
    def published(self) -> "ShowQuerySet":
        """Shows a customer may know of; planned ones do not exist for them."""
        return self.exclude(status=ShowStatus.PLANNED)

    def listed(self) -> "ShowQuerySet":
        """Shows a customer finds in a list: open for sale, or already over."""
        return self.filter(status=ShowStatus.OPEN)

    def upcoming(self) -> "ShowQuerySet":
        return self.filter(start_time__gt=Now())

    def on_local_day(self, day: date) -> "ShowQuerySet":
        """Shows that start on that calendar day, as clocks in their own theatre have it."""
        midnight = datetime.combine(day, time.min, UTC)
        local_start = Func(
            F("theatre__timezone"),
            F("start_time"),
            function="timezone",
            output_field=models.DateTimeField(),
        )
        return self.alias(local_day=Cast(local_start, models.DateField())).filter(
            local_day=day,
            # No zone is farther from UTC than this; indexes know only moments.
            start_time__gte=midnight - timedelta(hours=14),
            start_time__lt=midnight + timedelta(hours=36),
        )

    def with_seat_facts(self) -> "ShowQuerySet":
        """Add `seat_facts`: `total` and `available` seats, and `price_from`, the
        price of the cheapest available one as a string, or None.

        One look at each show's seats, and only at those of the page that is read.
        """
        facts = (
            Seat.objects.filter(show=OuterRef("pk"))
            .order_by()
            .values("show")
            .values_list(
                JSONObject(
                    total=Count("pk"),
                    available=Count("pk", filter=FREE_SEAT),
                    price_from=Cast(Min("price", filter=FREE_SEAT), models.TextField()),
                )
            )
        )
        none = Value(
            {"total": 0, "available": 0, "price_from": None}, output_field=models.JSONField()
        )
        return self.annotate(seat_facts=Coalesce(Subquery(facts), none))


class Show(Timestamped):
    """A movie in a theatre at a time. Times are copied at planning, so a
    movie's changed duration moves nothing by itself.
    """

    movie = models.ForeignKey(Movie, on_delete=models.PROTECT, related_name="shows", db_index=False)
    theatre = models.ForeignKey(
        Theatre, on_delete=models.PROTECT, related_name="shows", db_index=False
    )
    screen = models.ForeignKey(
        Screen, on_delete=models.PROTECT, related_name="shows", null=True, blank=True
    )
    price_card = models.ForeignKey(
        PriceCard, on_delete=models.PROTECT, related_name="shows", null=True, blank=True
    )
    start_time = models.DateTimeField()
    end_time = models.DateTimeField(null=True, blank=True)
    occupied_until = models.DateTimeField(
        null=True, blank=True, help_text="End of the show plus the turnaround of its screen."
    )
    format = models.CharField(max_length=20, blank=True, default="2D", db_default="2D")
    language = models.CharField(
        max_length=35, blank=True, default="", db_default="", help_text="As shown in the hall."
    )
    status = models.CharField(
        max_length=12, choices=ShowStatus, default=ShowStatus.OPEN, db_default=ShowStatus.OPEN
    )
    sales_close_at = models.DateTimeField(
        null=True, blank=True, help_text="Online sales end then; empty: at the start."
    )

    objects = ShowQuerySet.as_manager()

    class Meta:
        db_table = "shows"
        ordering = ("start_time", "id")
        indexes = (
            models.Index(fields=["movie", "start_time"], name="show_by_movie"),
            models.Index(fields=["theatre", "start_time"], name="show_by_theatre"),
            models.Index(fields=["start_time"], name="show_by_start"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=ShowStatus.values), name="show_status_known"
            ),
            models.CheckConstraint(
                condition=Q(end_time__isnull=True) | Q(end_time__gt=F("start_time")),
                name="show_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(screen__isnull=True)
                | Q(occupied_until__isnull=False, occupied_until__gt=F("start_time")),
                name="show_on_screen_occupies_it",
                violation_error_message=(
                    "A show on a screen needs an end: give the movie a duration first."
                ),
            ),
            # One screen, one show at a time. Ranges only, so no extension is
            # needed; deferrable, so that two shows can swap in one transaction.
            ExclusionConstraint(
                name="show_screen_not_taken",
                expressions=[
                    (
                        Func(
                            F("screen_id"),
                            F("screen_id"),
                            Value("[]"),
                            function="int8range",
                            output_field=models.BigIntegerField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func(
                            F("start_time"),
                            F("occupied_until"),
                            function="tstzrange",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(screen__isnull=False) & ~Q(status=ShowStatus.CANCELLED),
                deferrable=Deferrable.IMMEDIATE,
                violation_error_message=(
                    "Another show is on this screen at that time (turnaround included)."
                ),
            ),
        )

    def __str__(self) -> str:
        local = self.start_time.astimezone(self.theatre.zone)
        return f"{self.movie}, {local:%a %d %b %Y %H:%M}, {self.screen or self.theatre}"


class SeatStatus(models.TextChoices):
    AVAILABLE = "available", "Available"
    BOOKED = "booked", "Booked"
    HELD = "held", "Held"
    BLOCKED = "blocked", "Blocked"


class ClockTimestamp(Func):
    """The database's clock as it runs on within a transaction; `now()` stands still."""

    function = "clock_timestamp"
    template = "%(function)s()"
    output_field = models.DateTimeField()


FREE_SEAT = Q(status=SeatStatus.AVAILABLE) | Q(
    status=SeatStatus.HELD, held_until__lte=ClockTimestamp()
)


class SeatQuerySet(models.QuerySet["Seat"]):
    def free(self) -> "SeatQuerySet":
        """Seats that anybody may buy at this moment."""
        return self.filter(FREE_SEAT)

    def taken(self) -> "SeatQuerySet":
        """Seats that are sold, or held at this moment."""
        return self.filter(
            Q(status=SeatStatus.BOOKED) | Q(status=SeatStatus.HELD, held_until__gt=ClockTimestamp())
        )


class Seat(models.Model):
    """One place of one show, and everything about who may sit on it.

    `held` with `held_until` in the past is available: who judges, compares
    with the database's clock. `x` is the cell and `y` the line of the layout;
    `hold_id` names a hold, of which this app knows no more than that.
    """

    show = models.ForeignKey(Show, on_delete=models.CASCADE, related_name="seats", db_index=False)
    row = models.CharField(max_length=4)
    number = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(0)])
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
            # Lets a booking's foreign key say: my seat belongs to my show.
            models.UniqueConstraint(fields=["id", "show"], name="seat_with_show"),
            models.CheckConstraint(condition=Q(number__gte=1), name="seat_number_positive"),
            models.CheckConstraint(condition=~Q(row=""), name="seat_row_named"),
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
        return f"{self.row}{self.number}"

    def place(self) -> tuple[int, str, int]:
        """Sort key: row A first, B before AA, then by number."""
        return (len(self.row), self.row, self.number)
