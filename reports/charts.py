"""The data of charts for templates/reports/chart.html."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from reports.queries import Dimension, Report

MAX_BARS = 12

Point = tuple[str, int | Decimal]  # label and value


@dataclass(frozen=True, slots=True)
class Bar:
    """`share` is the value in percent of the largest, `offset` the position from the left."""

    label: str
    value: int | Decimal
    share: str
    offset: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`kind` is `bars` (horizontal, with labels) or `columns` (vertical, one for each day)."""

    title: str
    unit: str
    kind: str
    bars: list[Bar]
    left_out: int = 0
    width: str = "0"  # of a column, in percent

    @property
    def highest(self) -> Bar:
        return max(self.bars, key=lambda bar: bar.value)


def of_report(report: Report) -> list[Chart]:
    """Return charts of admissions and gross by currency: days as columns, others as bars."""
    charts = []
    for total in report.totals:
        lines = [line for line in report.lines if line.currency == total.currency]
        admissions: list[Point] = [(line.label, line.figures.admissions) for line in lines]
        gross: list[Point] = [(line.label, line.figures.gross) for line in lines]
        chart = _column_chart if report.dimension is Dimension.DAY else _bar_chart
        unit = total.currency if len(report.totals) > 1 else ""
        charts += [chart("Admissions", unit, admissions), chart("Gross", total.currency, gross)]
    return charts


def _bar_chart(title: str, unit: str, points: Sequence[Point]) -> Chart:
    ordered = sorted(points, key=lambda point: -point[1])
    shown = _bars(ordered[:MAX_BARS])
    return Chart(title, unit, "bars", shown, left_out=len(ordered) - len(shown))


def _column_chart(title: str, unit: str, points: Sequence[Point]) -> Chart:
    """Return a chart with a column for every day, also those without a show."""
    values = dict(points)
    first, last = (date.fromisoformat(day) for day in (min(values), max(values)))
    days = [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    shown = _bars([(day, values.get(day, 0)) for day in days])
    return Chart(title, unit, "columns", shown, width=f"{80 / len(days):.4f}")


def _bars(points: Sequence[Point]) -> list[Bar]:
    largest = max((value for _, value in points), default=0)
    return [
        Bar(
            label,
            value,
            share=f"{100 * value / largest:.2f}" if largest else "0",
            offset=f"{100 * index / len(points):.4f}",
        )
        for index, (label, value) in enumerate(points)
    ]
