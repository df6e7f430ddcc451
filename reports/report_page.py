"""The reports page: figures of a span of days as charts, a table and a file."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.models import User
from booking_site.postgres.replica import read_from_replica
from booking_site.spreadsheets.cells import Cell
from booking_site.spreadsheets.files import ExportFormat, as_file, remembered_format
from catalog.admin.local_time import INPUT_ATTRS, DateInput
from catalog.models import Theatre
from catalog.programme.days import business_day
from catalog.staff import theatres_of
from reports import charts
from reports.figures import DEFINITIONS
from reports.queries import Dimension, Line, Report, report

VIEW_REPORTS = "reports.view_reports"
MAX_DAYS = 3 * 366
DEFAULT_DAYS = 28
HEADINGS = (
    "Currency",
    "Shows",
    "Admissions",
    "Gross",
    "Seats for sale",
    "Occupancy %",
    "Average ticket",
)


class ReportForm(forms.Form):
    """The dimension and days of a report, and one of the user's theatres or all of them."""

    by = forms.ChoiceField(label="By", choices=Dimension, widget=forms.Select(INPUT_ATTRS))
    theatre = forms.ModelChoiceField(
        Theatre.objects.none(),
        label="Theatre",
        required=False,
        widget=forms.Select(INPUT_ATTRS),
        error_messages={"invalid_choice": "Choose a theatre from the list."},
    )
    first = forms.DateField(label="From", widget=DateInput)
    last = forms.DateField(label="To", widget=DateInput)
    download = forms.ChoiceField(
        choices=ExportFormat.choices, required=False, widget=forms.HiddenInput
    )

    def __init__(self, data: Any, *, theatres: QuerySet[Theatre]) -> None:
        now = timezone.now()
        # The latest business day that has begun in one of the theatres.
        today = max((business_day(now, each.zone) for each in theatres), default=now.date())
        defaults = {
            "by": Dimension.MOVIE,
            "first": (today - timedelta(days=DEFAULT_DAYS - 1)).isoformat(),
            "last": today.isoformat(),
        }
        super().__init__(defaults | data.dict())
        field: Any = self.fields["theatre"]
        field.queryset = theatres
        field.empty_label = "All your theatres"

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "first" in data and "last" in data:
            if data["last"] < data["first"]:
                self.add_error("last", "The last day is before the first.")
            elif (data["last"] - data["first"]).days >= MAX_DAYS:
                self.add_error("last", "A report can cover at most three years.")
            elif not 1900 <= data["first"].year <= data["last"].year < 2200:
                self.add_error("first", "Choose years from 1900 to 2199.")
        return data


def page(request: HttpRequest) -> HttpResponse:
    """Show the report described by the query, or send it as a file."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm(VIEW_REPORTS):
        raise PermissionDenied
    form = ReportForm(request.GET, theatres=theatres_of(user))
    if not form.is_valid():
        return _page(request, form, None)
    chosen = form.cleaned_data
    theatres = [chosen["theatre"]] if chosen["theatre"] else theatres_of(user)
    found = read_from_replica(
        request,
        lambda using: report(
            dimension=Dimension(chosen["by"]),
            theatres=theatres,
            first=chosen["first"],
            last=chosen["last"],
            using=using,
        ),
    )
    if export_format := chosen["download"]:
        name = f"{found.dimension}-{chosen['first']}-to-{chosen['last']}"
        return as_file(_rows(found), name=name, export_format=ExportFormat(export_format))
    return _page(request, form, found)


def _page(request: HttpRequest, form: ReportForm, found: Report | None) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": "Reports",
        "form": form,
        "report": found,
        "charts": charts.of_report(found) if found else [],
        "definitions": DEFINITIONS,
        "formats": ExportFormat.choices,
        "remembered_format": remembered_format(request),
    }
    status = HTTPStatus.OK if found else HTTPStatus.UNPROCESSABLE_ENTITY
    return TemplateResponse(request, "reports/reports.html", context, status=status)


def _rows(found: Report) -> list[list[Cell]]:
    lines = [_row(line) for line in (*found.lines, *found.totals)]
    return [[found.dimension.label, *HEADINGS], *lines]


def _row(line: Line) -> list[Cell]:
    figures = line.figures
    return [
        line.label,
        line.currency,
        figures.shows,
        figures.admissions,
        figures.gross,
        figures.seats,
        figures.occupancy,
        line.average_price,
    ]
