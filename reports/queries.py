"""The reports: figures of a span of business days, grouped by a dimension."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from django.db import connections, models
from django.db.utils import DEFAULT_DB_ALIAS

from booking_site.postgres.sort_keys import sort_key
from bookings.models import Channel
from catalog.models import Theatre
from catalog.programme.days import span_of
from reports.figures import NONE, SHOW_FIGURES, Figures, figures_parameters


class Dimension(models.TextChoices):
    MOVIE = "film", "Movie"
    THEATRE = "theatre", "Theatre"
    SCREEN = "screen", "Screen"
    DAY = "day", "Business day"
    CHANNEL = "channel", "Channel"
    CERTIFICATE = "certificate", "Certificate"


NO_CHANNEL = "Before this system"

# SQL for the key of a group, and its label, from a row of `chosen`.
_GROUPS = {
    Dimension.MOVIE: ("movie_id::text", "title"),
    Dimension.THEATRE: ("theatre_id::text", "theatre"),
    Dimension.SCREEN: (
        "theatre_id || '/' || coalesce(screen_id::text, '')",
        "theatre || ', ' || coalesce(screen, 'no screen')",
    ),
    Dimension.DAY: ("day::text", "day::text"),
    Dimension.CHANNEL: ("channel", "channel"),
    Dimension.CERTIFICATE: ("certificate", "coalesce(nullif(certificate, ''), 'No certificate')"),
}

_REPORT = """
{figures}
SELECT min(label), currency,
       sum(shows), sum(seats), sum(admissions), sum(priced), sum(gross)
  FROM (SELECT {key} AS key, {label} AS label, sold_in AS currency, 1 AS shows, seats,
               0 AS admissions, 0 AS priced, 0 AS gross
          FROM sold_shows {each_channel}
         UNION ALL
        SELECT {key}, {label}, sales.currency, 0, 0, admissions, priced, gross
          FROM sales JOIN chosen USING (id)) AS parts
 GROUP BY key, currency
"""
_EACH_CHANNEL = "CROSS JOIN (SELECT DISTINCT channel FROM sales) AS channels"


@dataclass(frozen=True, slots=True)
class Line:
    """One group's figures in one currency."""

    label: str
    currency: str
    figures: Figures

    @property
    def average_price(self) -> Decimal | None:
        return self.figures.average_price(self.currency)


@dataclass(frozen=True, slots=True)
class Report:
    """`lines` are grouped by currency; `totals` has one line for each currency."""

    dimension: Dimension
    lines: list[Line]
    totals: list[Line]


def report(
    *,
    dimension: Dimension,
    theatres: Iterable[Theatre],
    first: date,
    last: date,
    using: str = DEFAULT_DB_ALIAS,
) -> Report:
    """Sum up the shows of these theatres from business day `first` to `last`, inclusive.

    Days are in order, other groups by admissions and label. The occupancy of a channel is its
    share of all seats for sale.
    """
    key, label = _GROUPS[dimension]
    by_channel = dimension is Dimension.CHANNEL
    sql = _REPORT.format(
        figures=SHOW_FIGURES,
        key=key,
        label=label,
        each_channel=_EACH_CHANNEL if by_channel else "",
    )
    days = (last - first).days + 1
    spans = [(theatre, *span_of(first, theatre.zone, days=days)) for theatre in theatres]
    with connections[using].cursor() as cursor:
        cursor.execute(sql, figures_parameters(spans))
        lines = [
            Line(label, currency, Figures(*sums).in_currency(currency))
            for label, currency, *sums in cursor
        ]
    if by_channel:
        names = dict(Channel.choices)
        lines = [replace(line, label=names.get(line.label, NO_CHANNEL)) for line in lines]
    lines.sort(key=_by_label if dimension is Dimension.DAY else _by_size)
    return Report(dimension, lines, list(_totals(lines, by_channel=by_channel)))


def _by_label(line: Line) -> tuple[str, str]:
    return line.currency, line.label


def _by_size(line: Line) -> tuple[str, int, bytes]:
    return line.currency, -line.figures.admissions, sort_key(line.label)


def _totals(lines: Iterable[Line], *, by_channel: bool) -> Iterable[Line]:
    for currency, group in groupby(lines, key=attrgetter("currency")):
        figures = [line.figures for line in group]
        total = sum(figures, start=NONE)
        if by_channel:  # all channels have the same shows and seats
            total = replace(total, shows=figures[0].shows, seats=figures[0].seats)
        yield Line("Total", currency, total.in_currency(currency))
