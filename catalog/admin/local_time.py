"""Form inputs for dates and times, and a field for a theatre's local time."""

from datetime import date, datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django import forms

from catalog.scheduling import LocalTimeAmbiguous, LocalTimeMissing, local_moment

INPUT_ATTRS = {"class": "office-input"}


class DateInput(forms.DateInput):
    def __init__(self) -> None:
        super().__init__({"type": "date", **INPUT_ATTRS}, format="%Y-%m-%d")


class TimeInput(forms.TimeInput):
    def __init__(self) -> None:
        super().__init__({"type": "time", **INPUT_ATTRS}, format="%H:%M")


class WallClock(NamedTuple):
    """An entered local time: naive, with 0 or 1 for the first or second occurrence, or None."""

    shown: datetime
    fold: int | None


class LocalTimeWidget(forms.MultiWidget):
    """Date, time, and a choice of occurrence that is hidden until `ask` is called."""

    def __init__(self) -> None:
        super().__init__(
            widgets={
                "date": DateInput(),
                "time": TimeInput(),
                "fold": forms.HiddenInput(),
            }
        )

    def ask(self, offsets: list[str]) -> None:
        """Let the user choose between two occurrences, given their offsets from UTC."""
        first, second = offsets
        choices = [
            ("", "Choose one"),
            (0, f"first (UTC{first})"),
            (1, f"second (UTC{second})"),
        ]
        self.widgets = [*self.widgets[:2], forms.Select(INPUT_ATTRS, choices)]

    def decompress(self, value: datetime | None) -> list[date | time | int | None]:
        if value is None:
            return [None, None, None]
        return [value.date(), value.time().replace(second=0, microsecond=0), value.fold or None]


def entered_moment(form: forms.BaseForm, field: str, zone: ZoneInfo) -> datetime | None:
    """Return the moment that a LocalTimeField of the form names; None without one.

    It becomes the field's cleaned value, in the zone. A time that clocks in `zone` skip or show
    twice becomes an error of the form.
    """
    entered: WallClock | None = form.cleaned_data.get(field)
    if entered is None:
        return None
    try:
        moment = local_moment(entered.shown, zone=zone, fold=entered.fold)
    except LocalTimeAmbiguous as refusal:
        widget: Any = form.fields[field].widget
        widget.ask(refusal.facts["offsets"])
        form.add_error(field, refusal.message)
    except LocalTimeMissing as refusal:
        form.add_error(field, refusal.message)
    else:
        form.cleaned_data[field] = moment.astimezone(zone)
        return moment
    return None


class HiddenLocalTimeWidget(LocalTimeWidget):
    """The same inputs hidden, for a confirmation form that repeats the entered values."""

    def __init__(self) -> None:
        super().__init__()
        self.widgets = [forms.HiddenInput() for _ in self.widgets]


class LocalTimeField(forms.MultiValueField):
    """Cleans to a WallClock, or None. Its initial value is aware, in the theatre's zone."""

    widget: Any = LocalTimeWidget
    hidden_widget: Any = HiddenLocalTimeWidget

    def __init__(self, **kwargs: Any) -> None:
        fields = (
            forms.DateField(),
            forms.TimeField(),
            forms.TypedChoiceField(
                choices=[(0, "first"), (1, "second")],
                coerce=int,
                empty_value=None,
                required=False,
            ),
        )
        super().__init__(fields, require_all_fields=False, **kwargs)
        # The field's label is attached to neither input, so each gets its own.
        for part, input_ in zip(("date", "time"), self.widget.widgets, strict=False):
            input_.attrs["aria-label"] = f"{self.label}: {part}"
        for field in fields[:2]:
            field.error_messages["incomplete"] = "Enter both the date and the time."

    def compress(self, data_list: list[Any]) -> WallClock | None:
        if not data_list or data_list[0] is None:
            return None
        day, clock, fold = data_list
        return WallClock(datetime.combine(day, clock), fold)
