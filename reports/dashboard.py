"""Queries of the dashboard: today's shows, shows that need attention, figures of the week."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connections
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.db.utils import DEFAULT_DB_ALIAS
from django.utils import timezone

from bookings.models import Booking
from catalog.models import Seat, SeatStatus, Show, ShowStatus, Theatre
from catalog.programme.days import business_day, span_of
from reports.figures import NONE, SHOW_FIGURES, Figures, figures_parameters

CHECKED_AHEAD = timedelta(days=7)
PREMIERE_WITHIN = timedelta(hours=48)
CLOSING_WITHIN = timedelta(hours=1)

# The checks of a show, and their messages.
WARNINGS = {
    "no_seat_map": "has no seat map",
    "no_price_card": "has no price card",
    "unsold_premiere": "is the first show of its movie here and has sold nothing",
    "closing_soon": "closes its online sales soon",
}


def business_day_of(theatre: Theatre) -> date:
    """Return the theatre's current business day."""
    return business_day(timezone.now(), theatre.zone)


def shows_today(theatre: Theatre) -> QuerySet[Show]:
    """Return the shows of the theatre's current business day by start, also cancelled ones.

    Each has `seats_sold` and `seats_for_sale`.
    """
    begin, end = span_of(business_day_of(theatre), theatre.zone)
    return (
        Show.objects.filter(
            theatre=theatre,
            start_time__gte=begin,
            start_time__lt=end,
        )
        .select_related("movie", "theatre", "screen__theatre")
        .annotate(
            seats_sold=_count_per_show(Booking.objects.filter(cancelled_at=None)),
            seats_for_sale=_count_per_show(Seat.objects.exclude(status=SeatStatus.BLOCKED)),
        )
        .order_by("start_time", "pk")
    )


def _count_per_show(rows: "QuerySet[Seat] | QuerySet[Booking]") -> Coalesce:
    counted = rows.filter(show=OuterRef("pk")).order_by().values("show")
    return Coalesce(Subquery(counted.annotate(n=Count("pk")).values("n")), 0)


def shows_needing_attention(theatres: QuerySet[Theatre]) -> QuerySet[Show]:
    """Return the shows of the next week with a warning, by start.

    Each has a boolean for every key of `WARNINGS`.
    """
    earlier = Show.objects.filter(
        movie=OuterRef("movie"), theatre=OuterRef("theatre"), start_time__lt=OuterRef("start_time")
    ).exclude(status=ShowStatus.CANCELLED)
    sold = Booking.objects.filter(show=OuterRef("pk"), cancelled_at=None)
    return (
        Show.objects.filter(
            theatre__in=theatres, start_time__gt=Now(), start_time__lt=Now() + CHECKED_AHEAD
        )
        .exclude(status=ShowStatus.CANCELLED)
        .annotate(
            no_seat_map=~Exists(Seat.objects.filter(show=OuterRef("pk"))),
            no_price_card=Q(price_card=None),
            unsold_premiere=Q(start_time__lt=Now() + PREMIERE_WITHIN)
            & ~Exists(earlier)
            & ~Exists(sold),
            sales_end=Coalesce("sales_close_at", "start_time"),
            closing_soon=Q(
                status=ShowStatus.OPEN,
                sales_end__gt=Now(),
                sales_end__lt=Now() + CLOSING_WITHIN,
            ),
        )
        .filter(Q(*((warning, True) for warning in WARNINGS), _connector=Q.OR))
        .select_related("movie", "theatre", "screen__theatre")
        .order_by("start_time", "pk")
    )


@dataclass(frozen=True, slots=True)
class Week:
    """A theatre's figures in one currency so far, and those of the same time last week."""

    theatre: str
    currency: str
    today: Figures = NONE
    same_day: Figures = NONE
    this_week: Figures = NONE
    last_week: Figures = NONE

    @property
    def comparisons(self) -> list[tuple[str, Figures, int | None, Figures]]:
        """Return (title, figures now, growth of gross in percent, figures before).

        The growth is None if the gross was 0 before.
        """
        pairs = [
            ("Today", self.today, self.same_day),
            ("This week", self.this_week, self.last_week),
        ]
        return [
            (
                title,
                now.in_currency(self.currency),
                _growth(now, before),
                before.in_currency(self.currency),
            )
            for title, now, before in pairs
        ]


def _growth(now: Figures, before: Figures) -> int | None:
    return round(100 * (now.gross - before.gross) / before.gross) if before.gross else None


RECENT = timedelta(days=16)  # this week and the one before, with a day for the time zones
_WEEKS = f"""
{SHOW_FIGURES}
SELECT theatre_id, min(theatre), sold_in, period,
       sum(shows), sum(parts.seats), sum(admissions), sum(priced), sum(gross)
  FROM (SELECT id, sold_in, 1 AS shows, seats, 0 AS admissions, 0 AS priced, 0 AS gross
          FROM sold_shows
         UNION ALL
        SELECT id, currency, 0, 0, admissions, priced, gross FROM sales) AS parts
  JOIN chosen USING (id)
 CROSS JOIN LATERAL (
       SELECT today - extract(isodow FROM today)::int + 1 AS monday,
              local_start <= local_now - interval '7 days' AS had_begun) AS clock
  JOIN LATERAL (VALUES
       ('today', day = today),
       ('same_day', day = today - 7 AND had_begun),
       ('this_week', day >= monday),
       ('last_week', day >= monday - 7 AND had_begun)) AS periods (period, covers) ON covers
 GROUP BY theatre_id, sold_in, period
"""  # noqa: S608 - no outside input


def weeks(theatres: Iterable[Theatre], *, using: str = DEFAULT_DB_ALIAS) -> list[Week]:
    """Return each theatre's week in each of its currencies, in the order of the theatres.

    Weeks start on Monday. Today and this week are compared with shows that had
    started at the same local time a week ago.
    """
    now = timezone.now()
    spans = [(theatre, now - RECENT, now) for theatre in theatres]
    with connections[using].cursor() as cursor:
        cursor.execute(_WEEKS, figures_parameters(spans))
        periods: dict[tuple[int, str, str], dict[str, Figures]] = {}
        place = {theatre.pk: number for number, (theatre, *_) in enumerate(spans)}
        for theatre_id, theatre, currency, period, *sums in cursor:
            week = periods.setdefault((place[theatre_id], theatre, currency), {})
            week[period] = Figures(*sums)
    return [
        Week(theatre, currency, **figures)
        for (_, theatre, currency), figures in sorted(periods.items(), key=lambda item: item[0])
    ]
