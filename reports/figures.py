"""Admissions, gross and occupancy: their definitions, and the SQL that all reports share."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from operator import add
from typing import Any

from django.utils import timezone

from booking_site.local_time import offset_periods
from booking_site.money import digits_of, money_text
from catalog.models import Theatre
from catalog.programme.days import DAY_BREAK

BUSINESS_DAY = (
    "A business day lasts from 06:00 to 05:59 in the theatre's time zone: a show at 00:30 belongs"
    " to the evening before."
)
# Shown beside the figures. SHOW_FIGURES and Figures compute what these texts describe.
DEFINITIONS = {
    "Shows": "Shows that have started and were not cancelled, by the business day of their start. "
    + BUSINESS_DAY,
    "Admissions": "Seats sold for these shows and not cancelled, whether or not they were used.",
    "Gross": "The sum of the prices paid for these seats, including taxes. Currencies are reported"
    " separately.",
    "Seats for sale": "The seats of these shows that are not blocked.",
    "Occupancy": "Admissions divided by seats for sale.",
    "Average ticket": "Gross divided by the admissions whose price is known. Seats imported from an"
    " earlier system without a price count as admissions only.",
}


def seats_for_sale(show_id: str) -> str:
    """Return the SQL that counts the seats for sale of a show, archived ones too."""
    return f"""
        (SELECT count(*) FROM seats WHERE seats.show_id = {show_id} AND seats.status <> 'blocked')
        + coalesce((SELECT available_count FROM archived_rooms
                     WHERE archived_rooms.show_id = {show_id}), 0)
    """  # noqa: S608 - the name of a column


# Common table expressions: `sold_shows` has a row for each show that `figures_parameters` selects,
# `sales` its live bookings by channel and currency.
# One statement is one snapshot, so each show is either already counted or counted here.
SHOW_FIGURES = f"""
WITH chosen AS MATERIALIZED (
    SELECT shows.id, shows.movie_id, movies.title, movies.certificate,
           shows.theatre_id, theatres.name AS theatre, theatres.currency,
           shows.screen_id, screens.name AS screen,
           local_start, (local_start - interval '{DAY_BREAK}')::date AS day,
           local_now, (local_now - interval '{DAY_BREAK}')::date AS today,
           counted.show_id IS NOT NULL AS counted,
           coalesce(counted.seats_for_sale, {seats_for_sale("shows.id")}) AS seats
      FROM unnest(%(theatres)s::bigint[], %(begins)s::timestamptz[], %(ends)s::timestamptz[],
                  %(offsets)s::interval[], %(local_nows)s::timestamp[])
           AS period (theatre_id, begins, ends, utc_offset, local_now)
      JOIN shows ON shows.theatre_id = period.theatre_id
           AND shows.start_time >= begins AND shows.start_time < ends
      CROSS JOIN LATERAL (SELECT shows.start_time AT TIME ZONE 'UTC' + utc_offset AS local_start)
           AS clock
      JOIN theatres ON theatres.id = shows.theatre_id
      JOIN movies ON movies.id = shows.movie_id
      LEFT JOIN screens ON screens.id = shows.screen_id
      LEFT JOIN counted_shows AS counted
        ON counted.show_id = shows.id AND counted.counted_at IS NOT NULL
     WHERE shows.status <> 'cancelled' AND shows.start_time <= now()
), sales AS MATERIALIZED (
    SELECT chosen.id, channel, coalesce(nullif(sold.currency, ''), chosen.currency) AS currency,
           admissions, priced, gross
      FROM chosen JOIN counted_sales AS sold ON sold.show_id = chosen.id
     WHERE chosen.counted
     UNION ALL
    SELECT chosen.id, channel, coalesce(sold.currency, chosen.currency),
           admissions, priced, gross
      FROM chosen
           -- LATERAL, so that it reads by index: few shows are not counted yet.
           CROSS JOIN LATERAL (
               SELECT coalesce(orders.channel, '') AS channel, orders.currency,
                      count(*) AS admissions, count(bookings.price) AS priced,
                      coalesce(sum(bookings.price), 0) AS gross
                 FROM bookings LEFT JOIN orders ON orders.id = bookings.order_id
                WHERE bookings.show_id = chosen.id AND bookings.cancelled_at IS NULL
                GROUP BY 1, 2) AS sold
     WHERE NOT chosen.counted
), sold_shows AS (
    -- If the theatre changed currency, a show counts in the currency of most of its sales.
    SELECT DISTINCT ON (chosen.id)
           chosen.*, coalesce(sales.currency, chosen.currency) AS sold_in
      FROM chosen LEFT JOIN sales ON sales.id = chosen.id
     ORDER BY chosen.id, sales.admissions DESC NULLS LAST, sales.currency
)
"""  # noqa: S608 - no outside input


def figures_parameters(
    spans: Iterable[tuple[Theatre, datetime, datetime]],
) -> dict[str, list[Any]]:
    """Return the parameters of SHOW_FIGURES for each theatre's shows from one time until another.

    PostgreSQL's own time zone data may differ from ours, so it gets offsets from UTC.
    """
    now = timezone.now()
    rows = [
        (theatre.pk, *period, now.astimezone(theatre.zone).replace(tzinfo=None))
        for theatre, begin, end in spans
        for period in offset_periods(theatre.zone, begin, end)
    ]
    names = ("theatres", "begins", "ends", "offsets", "local_nows")
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over shows, in one currency."""

    shows: int = 0
    seats: int = 0
    admissions: int = 0
    priced: int = 0
    gross: Decimal = Decimal("0.00")

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*map(add, astuple(self), astuple(other)))

    @property
    def occupancy(self) -> Decimal | None:
        """In percent, with one decimal; None without seats."""
        if not self.seats:
            return None
        return _rounded(Decimal(100 * self.admissions) / self.seats, "0.1")

    def average_price(self, currency: str) -> Decimal | None:
        """None if no price is known."""
        if not self.priced:
            return None
        return _rounded(self.gross / self.priced, str(Decimal(1).scaleb(-digits_of(currency))))

    def in_currency(self, currency: str) -> "Figures":
        """Return the figures with the digits of the currency."""
        return replace(self, gross=Decimal(money_text(self.gross, currency)))


NONE = Figures()


def _rounded(number: Decimal, step: str) -> Decimal:
    return number.quantize(Decimal(step), ROUND_HALF_UP)
