"""A form field for a time on a theatre's clock, and for which of two when it comes twice."""

from datetime import date, datetime, time
from typing import Any, NamedTuple

from django import forms

LOOK = {"class": "office-input"}


class WallClock(NamedTuple):
    """What was entered: a naive time, and 0 or 1 for the first or second of two."""

    shown: datetime
    fold: int | None

    def __str__(self) -> str:
        return f"{self.shown:%Y-%m-%d %H:%M}"


class LocalTimeWidget(forms.MultiWidget):
    """The third input asks which of two times is meant; it is hidden until `ask` is called."""

    def __init__(self) -> None:
        super().__init__(
            widgets={
                "date": forms.DateInput({"type": "date", **LOOK}, format="%Y-%m-%d"),
                "time": forms.TimeInput({"type": "time", **LOOK}, format="%H:%M"),
                "fold": forms.HiddenInput(),
            }
        )

    def ask(self, offsets: list[str]) -> None:
        """Let the user choose between the two moments, given their offsets from UTC."""
        first, second = offsets
        choices = [
            ("", "Which one?"),
            (0, f"the first, UTC{first}"),
            (1, f"the other, UTC{second}"),
        ]
        self.widgets = [*self.widgets[:2], forms.Select(LOOK, choices)]

    def decompress(self, value: datetime | None) -> list[date | time | int | None]:
        if value is None:
            return [None, None, None]
        return [value.date(), value.time().replace(second=0, microsecond=0), value.fold or None]


class HiddenLocalTimeWidget(LocalTimeWidget):
    """The same inputs, unseen: a choice that is confirmed goes along as it was."""

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
        # The field's own label names neither of its two inputs.
        for part, input_ in zip(("date", "time"), self.widget.widgets, strict=False):
            input_.attrs["aria-label"] = f"{self.label}: {part}"
        for field in fields[:2]:
            field.error_messages["incomplete"] = "Give both the date and the time."

    def compress(self, data_list: list[Any]) -> WallClock | None:
        if not data_list or data_list[0] is None:
            return None
        day, clock, fold = data_list
        return WallClock(datetime.combine(day, clock), fold)
