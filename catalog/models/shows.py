"""Shows: a movie in a theatre at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import (
    Deferrable,
    F,
    Func,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Greatest, Least, Now
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.utils import timezone

from booking_site.local_time import calendar_day, clock, zone_named
from booking_site.postgres.clock import ClockTimestamp
from booking_site.postgres.timestamped import Timestamped, TimestampedQuerySet
from booking_site.postgres.words import FoldedWords, folded, words_beginning_with
from booking_site.typed_text import LineField
from catalog.models.movies import Movie
from catalog.models.prices import PriceCard, SeatCategory
from catalog.models.screens import Screen
from catalog.models.seats import layout_fingerprint
from catalog.models.theatres import Theatre


class ShowStatus(models.TextChoices):
    PLANNED = "planned", "Planned"
    OPEN = "open", "Open for sale"
    CANCELLED = "cancelled", "Cancelled"


# Literals, not parameters: the generic plan of a prepared statement could not use the partial
# indexes `show_listed` and `show_by_update`.
_OPEN, _PLANNED = (
    Func(template=f"'{status.value}'", output_field=models.CharField())
    for status in (ShowStatus.OPEN, ShowStatus.PLANNED)
)


# Python can convert the times between these to every time zone, and subtract a year.
_FIRST, _END = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_TIMES = ("start_time", "end_time", "occupied_until", "sales_open_at", "sales_close_at")

_PRICE = "'{0}', least(counted.{0}, (lowest_prices ->> '{0}')::numeric)::text"
_LOWEST = "min(price) FILTER (WHERE is_free AND category = '{0}') AS {0}"
# As a template: Django would take longer to write this than PostgreSQL to run it. `is_free` is
# FREE_SEAT. An aggregate for each category takes less time than GROUP BY.
_SEAT_FACTS = f"""(
    SELECT jsonb_build_object(
               'total', counted.total + coalesce(seat_count, 0),
               'available', counted.available + coalesce(available_count, 0),
               'prices', jsonb_build_object({", ".join(map(_PRICE.format, SeatCategory))}),
               'hash', coalesce(counted.hash, 0) # coalesce(seats_hash, 0))
      FROM (SELECT %(expressions)s AS show_id) AS this
      LEFT JOIN archived_rooms USING (show_id)
     CROSS JOIN LATERAL (
           SELECT count(*) AS total,
                  count(*) FILTER (WHERE is_free) AS available,
                  {", ".join(map(_LOWEST.format, SeatCategory))},
                  bit_xor(facts) AS hash
             FROM (SELECT price, category, facts, status = 'available'
                                 OR status = 'held' AND held_until <= clock_timestamp() AS is_free
                     FROM seats WHERE seats.show_id = this.show_id) AS seats) AS counted)"""  # noqa: S608 - of constants

MOST_MATCHES = 25
MOST_WORDS = 20  # of a search


def _has_letter_or_digit(text: str) -> bool:
    return any(map(str.isalnum, text))


class ShowQuerySet(TimestampedQuerySet["Show"]):
    def published(self) -> "ShowQuerySet":
        """Shows that customers may see: all but planned ones."""
        return self.exclude(status=_PLANNED)

    def listed(self) -> "ShowQuerySet":
        """Shows in the public lists: open ones, also past ones."""
        return self.filter(status=_OPEN)

    def upcoming(self) -> "ShowQuerySet":
        return self.filter(start_time__gt=Now())

    def matching(self, text: str) -> "ShowQuerySet":
        """Shows in whose movie's, theatre's or screen's name each typed word begins a word.

        Only the first `MOST_WORDS` words count; a text without words matches no show.
        """
        named: dict[str, QuerySet[Any]] = {
            "movie": Movie.objects.alias(name_words=FoldedWords("title")),
            "theatre": Theatre.objects.alias(name_words=FoldedWords("name")),
            "screen": Screen.objects.alias(name_words=FoldedWords("name")),
        }
        words = list(filter(_has_letter_or_digit, text.split()))[:MOST_WORDS]
        shows = self if words else self.none()
        for word in words:
            where = Q()
            for name, rows in named.items():
                query = words_beginning_with(word)
                found = rows.filter(name_words=query)
                if name == "movie":
                    # Redundant, but `words` has an index.
                    found = found.filter(words=query)
                # The ids are read first, so that PostgreSQL can use the indexes of shows.
                where |= Q((f"{name}__in", list(found.values_list("pk", flat=True))))
            shows = shows.filter(where)
        return shows

    def ids_matching(self, text: str) -> list[int]:
        """The ids of shows that match the text: the next `MOST_MATCHES`, and as many past ones."""
        found = self.matching(text)
        upcoming = found.upcoming().order_by("start_time")
        past = found.filter(start_time__lte=Now()).order_by("-start_time")
        return [
            pk
            for shows in (upcoming, past)
            for pk in shows.values_list("pk", flat=True)[:MOST_MATCHES]
        ]

    def on_local_day(self, day: date) -> "ShowQuerySet":
        """Shows that start on this calendar day in their theatre's time zone."""
        return self._on_days(lambda zone: day)

    def today(self) -> "ShowQuerySet":
        """Shows that start on the current calendar day in their theatre's time zone."""
        now = timezone.now()
        return self._on_days(lambda zone: now.astimezone(zone).date())

    def _on_days(self, day_in: Callable[[ZoneInfo], date]) -> "ShowQuerySet":
        zones: dict[tuple[datetime, datetime], list[str]] = defaultdict(list)
        for name in Theatre.objects.order_by().values_list("timezone", flat=True).distinct():
            zone = zone_named(name)
            zones[calendar_day(day_in(zone), zone)].append(name)
        if not zones:
            return self.none()
        days = Q()
        for (begin, end), names in zones.items():
            days |= Q(theatre__timezone__in=names, start_time__gte=begin, start_time__lt=end)
        # The outermost limits, so that PostgreSQL can use the index show_by_start.
        first, last = min(begin for begin, _ in zones), max(end for _, end in zones)
        return self.filter(days, start_time__gte=first, start_time__lt=last)

    def occupying(self, screens: Iterable[Any], begin: datetime, end: datetime) -> "ShowQuerySet":
        """Shows that occupy one of these screens within this time, earliest first."""
        return (
            self.filter(screen__in=screens, start_time__lt=end, occupied_until__gt=begin)
            .exclude(status=ShowStatus.CANCELLED)
            .select_related("movie", "theatre")
            .order_by("start_time", "pk")
        )

    def with_seat_facts(self) -> "ShowQuerySet":
        """Add `seat_facts`, and `now`, the database's time.

        The facts are `total` and `available` seats, and `prices`, by category: the price of the
        cheapest available seat as a string, or None; and what `layout_fingerprint` needs. A
        subquery reads the seats of each show on the page, and its archived room.
        """
        facts = Func(F("pk"), template=_SEAT_FACTS, output_field=models.JSONField())
        return self.annotate(seat_facts=facts, now=ClockTimestamp())


class Show(Timestamped):
    """A movie in a theatre at a time.

    `end_time` and `occupied_until` are computed at planning, so a changed duration of the
    movie does not change them. Triggers renew `updated_at` whenever the API's response changes for
    another reason than the passage of time or the availability of seats.
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
    planned_utc_offset = models.DurationField(
        null=True,
        editable=False,
        help_text="The offset from UTC at the start, when the show was planned. Empty for a show"
        " inserted by plain SQL.",
    )
    end_time = models.DateTimeField(null=True, blank=True)
    occupied_until = models.DateTimeField(
        null=True, blank=True, help_text="End of the show plus the turnaround of its screen."
    )
    format = LineField(max_length=20, blank=True, default="2D", db_default="2D")
    language = LineField(
        max_length=35, blank=True, default="", db_default="", help_text="Language of the screening."
    )
    status = models.CharField(
        max_length=12, choices=ShowStatus, default=ShowStatus.OPEN, db_default=ShowStatus.OPEN
    )
    sales_open_at = models.DateTimeField(
        null=True, blank=True, help_text="Start of online sales; empty: at once."
    )
    sales_close_at = models.DateTimeField(
        null=True, blank=True, help_text="End of online sales; empty: at the start."
    )

    objects = ShowQuerySet.as_manager()

    class Meta:
        db_table = "shows"
        ordering = ("start_time", "id")
        permissions = (("cancel_show", "Can cancel a show with all its orders"),)
        indexes = (
            # With the id, as lists are sorted by both: else a theatre's list would read all shows.
            models.Index(fields=["movie", "start_time", "id"], name="show_by_movie"),
            models.Index(fields=["theatre", "start_time", "id"], name="show_by_theatre"),
            models.Index(fields=["start_time"], name="show_by_start"),
            # Counts the total of a list without reading the table.
            models.Index(
                fields=["start_time", "id"],
                condition=Q(status=ShowStatus.OPEN),
                name="show_listed",
            ),
            # Folding the texts of all listed shows would take longer than the rest of a list.
            models.Index(
                folded("format"),
                "start_time",
                "id",
                condition=Q(status=ShowStatus.OPEN),
                name="show_by_folded_format",
            ),
            models.Index(
                folded("language"),
                "start_time",
                "id",
                condition=Q(status=ShowStatus.OPEN),
                name="show_by_folded_language",
            ),
            models.Index(
                fields=["updated_at", "id"],
                condition=~Q(status=ShowStatus.PLANNED),
                name="show_by_update",
            ),
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
                # Least and Greatest ignore empty times.
                condition=Q(GreaterThanOrEqual(Least(*_TIMES), _FIRST))
                & Q(LessThan(Greatest(*_TIMES), _END)),
                name="show_times_in_range",
                violation_error_message="Enter times from the year 2 to the year 9998.",
            ),
            models.CheckConstraint(
                condition=Q(sales_open_at__isnull=True)
                | Q(sales_open_at__lt=Least("start_time", "sales_close_at")),
                name="show_sales_open_before_end",
            ),
            models.CheckConstraint(
                condition=Q(screen__isnull=True)
                | Q(occupied_until__isnull=False, occupied_until__gt=F("start_time")),
                name="show_on_screen_occupies_it",
                violation_error_message=(
                    "A show on a screen needs an end: give the movie a duration first."
                ),
            ),
            # One show at a time on a screen. The screen is a range too, so the extension
            # btree_gist is not needed; deferrable, so two shows can swap in one transaction.
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

    @property
    def layout_fingerprint(self) -> str:
        """For shows from `with_seat_facts`."""
        return layout_fingerprint(self.seat_facts["hash"])  # type: ignore[attr-defined]

    @property
    def is_never_on_sale(self) -> bool:
        """Whether online sales would start only when, or after, they end."""
        end = min(self.start_time, self.sales_close_at or self.start_time)
        return self.sales_open_at is not None and self.sales_open_at >= end

    def start_at(self, moment: datetime) -> None:
        """Set the start, and the planned offset of the theatre's clocks at that time."""
        self.start_time = moment
        self.planned_utc_offset = moment.astimezone(self.theatre.zone).utcoffset()

    def overlaps(self, other: "Show") -> bool:
        """Return whether both would occupy a screen at the same time."""
        # A show on a screen always has an end (constraint show_on_screen_occupies_it).
        return bool(
            self.occupied_until
            and other.occupied_until
            and self.start_time < other.occupied_until
            and other.start_time < self.occupied_until
        )

    def __str__(self) -> str:
        starts = clock(self.start_time, self.theatre.zone, "%a %d %b %Y %H:%M")
        return f"{self.movie}, {starts}, {self.screen or self.theatre}"
