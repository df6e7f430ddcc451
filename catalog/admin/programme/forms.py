"""The forms for planning many shows, and for copying a week."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from booking_site.typed_text import LineFormField
from catalog.admin.local_time import DateInput, TimeInput
from catalog.models import Movie, PriceCard, Screen, ShowStatus, Theatre
from catalog.programme.days import monday_of
from catalog.programme.plans import SchedulePlan, ShowRequest
from catalog.programme.requests import bulk_requests, copied_requests, spaced_clocks

MAX_SHOWS = 500
STATUSES = [ShowStatus.PLANNED, ShowStatus.OPEN]


class ScreensField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg] # not generic at run time
    """Screens of one theatre, so their labels omit it."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.name)


class PlanForm(forms.Form):
    """The fields of both forms. Sets `plan` once it is valid."""

    screens = ScreensField(Screen.objects.none(), widget=UnfoldAdminCheckboxSelectMultipleWidget)
    status = forms.ChoiceField(
        label="Status",
        choices=[(status, status.label) for status in STATUSES],
        widget=UnfoldAdminSelectWidget,
        help_text="Only staff see planned shows. Open them all at once from the week view.",
    )
    fold = forms.TypedChoiceField(
        label="Ambiguous times",
        choices=[("", "Skip"), (0, "First occurrence"), (1, "Second occurrence")],
        coerce=int,
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="For nights when the clocks go back.",
    )
    outside_run = forms.BooleanField(
        label="Include shows outside the run", required=False, widget=UnfoldBooleanWidget
    )

    def __init__(self, data: Any, *, theatre: Theatre, monday: date) -> None:
        self.theatre, self.monday = theatre, monday
        screens = Screen.objects.filter(theatre=theatre).select_related("theatre")
        super().__init__(data, initial={"screens": screens})
        self.fields["screens"].queryset = screens  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        requests = self.show_requests(data)
        if not self.errors and not requests:
            self.add_error(None, "This selection contains no shows.")
        if len(requests) > MAX_SHOWS:
            self.add_error(
                None,
                f"This selection has {len(requests)} shows, but the limit is {MAX_SHOWS}: "
                "choose fewer days or screens.",
            )
        self.plan = SchedulePlan(
            theatre=self.theatre,
            requests=requests,
            status=ShowStatus(data["status"]),
            fold=data["fold"],
            outside_run=data["outside_run"],
        )
        return data

    def show_requests(self, data: dict[str, Any]) -> Sequence[ShowRequest]:
        """Return the shows that the cleaned data requests, or add errors."""
        raise NotImplementedError


class ClocksField(forms.CharField):
    """Times such as `14:00 17:15 20.30`; cleans to a list of `time`."""

    def to_python(self, value: Any) -> Any:
        words = re.split(r"[\s,;]+", super().to_python(value) or "")
        return [self._clock(word) for word in words if word]

    @staticmethod
    def _clock(word: str) -> time:
        try:
            return datetime.strptime(word.replace(".", ":"), "%H:%M").time()  # noqa: DTZ007
        except ValueError:
            raise forms.ValidationError(
                "“%(word)s” isn't a valid time. Enter times like 20:15, separated by spaces.",
                params={"word": word},
            ) from None


class BulkForm(PlanForm):
    """One movie on some screens and days of a week, at the same times."""

    movie = forms.ModelChoiceField(
        Movie.objects.none(), empty_label="Choose a movie", widget=UnfoldAdminSelectWidget
    )
    days = forms.TypedMultipleChoiceField(
        coerce=date.fromisoformat, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    times = ClocksField(
        required=False,
        widget=UnfoldAdminTextInputWidget({"placeholder": "14:00 17:15 20:30"}),
        help_text="Separated by spaces. Times before 06:00 are in the night after that day.",
    )
    first = forms.TimeField(label="or first", required=False, widget=TimeInput())
    last = forms.TimeField(label="last", required=False, widget=TimeInput())
    spacing = forms.IntegerField(
        label="every … minutes",
        min_value=5,
        max_value=24 * 60,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    price_card = forms.ModelChoiceField(
        PriceCard.objects.all(),
        required=False,
        empty_label="None (creates no seat maps)",
        widget=UnfoldAdminSelectWidget,
    )
    format = LineFormField(
        max_length=20, initial="2D", required=False, widget=UnfoldAdminTextInputWidget
    )
    language = LineFormField(
        max_length=35,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Language of the screening.",
    )

    def __init__(self, data: Any, *, theatre: Theatre, monday: date) -> None:
        super().__init__(data, theatre=theatre, monday=monday)
        week = [monday + timedelta(days=n) for n in range(7)]
        fields: dict[str, Any] = self.fields
        fields["movie"].queryset = Movie.objects.all()
        fields["days"].choices = [(day.isoformat(), f"{day:%a %d %b}") for day in week]
        fields["days"].initial = [day.isoformat() for day in week]

    def show_requests(self, data: dict[str, Any]) -> Sequence[ShowRequest]:
        return bulk_requests(
            movie=data["movie"],
            screens=data["screens"],
            days=data["days"],
            clocks=self._clocks(data),
            price_card=data["price_card"],
            format=data["format"],
            language=data["language"] or data["movie"].language,
        )

    def _clocks(self, data: dict[str, Any]) -> list[time]:
        times: list[time] = data["times"]
        spaced = [data["first"], data["last"], data["spacing"]]
        if spaced == [None, None, None]:
            if not times:
                self.add_error("times", "Enter times, or a first time, last time and interval.")
            return times
        if None in spaced:
            missing = next(name for name in ("first", "last", "spacing") if data[name] is None)
            self.add_error(missing, "Enter first, last and interval together.")
            return []
        first, last, minutes = spaced
        clocks = spaced_clocks(first=first, last=last, spacing=timedelta(minutes=minutes))
        if not clocks:
            self.add_error("last", "The last time is before the first.")
        return [*times, *clocks]


class CopyForm(PlanForm):
    """A copy of the theatre's week into another week."""

    to_week = forms.DateField(
        label="Copy to the week of",
        widget=DateInput(),
        help_text="Any day of that week.",
    )
    weekdays = forms.TypedMultipleChoiceField(
        label="Days", coerce=int, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, data: Any, *, theatre: Theatre, monday: date) -> None:
        super().__init__(data, theatre=theatre, monday=monday)
        fields: dict[str, Any] = self.fields
        fields["weekdays"].choices = [(n, f"{monday + timedelta(days=n):%A}") for n in range(7)]
        fields["weekdays"].initial = list(range(7))
        fields["to_week"].initial = monday + timedelta(days=7)

    def clean_to_week(self) -> date:
        monday = monday_of(self.cleaned_data["to_week"])
        if monday == self.monday:
            raise forms.ValidationError("Choose a different week.")
        if not 2000 <= monday.year < 2100:
            raise forms.ValidationError("Choose a year in this century.")
        return monday

    def show_requests(self, data: dict[str, Any]) -> Sequence[ShowRequest]:
        return copied_requests(
            theatre=self.theatre,
            monday=self.monday,
            to_monday=data["to_week"],
            weekdays=data["weekdays"],
            screens=data["screens"],
        )
