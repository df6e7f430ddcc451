"""The form of a show: local times in, ends computed, and no change under a customer's feet."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms

from booking_site.api.errors import DomainError
from catalog.admin.local_time import LocalTimeField, LocalTimeWidget, WallClock
from catalog.models import Seat, Show, ShowStatus, Theatre
from catalog.scheduling import (
    DurationMissing,
    LocalTimeAmbiguous,
    collisions_of,
    ends_of,
    local_moment,
    lock_screen,
)

# What a customer with a seat relies on; the rest may change at any time.
PROMISED = ("movie", "theatre", "screen", "start", "status")
# What a purchase reads after it has locked its seats.
TERMS = {*PROMISED, "sales_close"}


class ShowForm(forms.ModelForm):  # type: ignore[type-arg] # not generic at run time
    rivals: Sequence[Show] = ()  # what is on the screen then, when the form was refused for it
    start = LocalTimeField(label="Start")
    sales_close = LocalTimeField(label="Online sales end", required=False)

    class Meta:
        model = Show
        fields = ("movie", "theatre", "screen", "price_card", "format", "language", "status")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        show = self.instance
        clock = "On the clock of the theatre"
        if show.pk:
            zone = show.theatre.zone
            self.initial["start"] = show.start_time.astimezone(zone)
            if show.sales_close_at:
                self.initial["sales_close"] = show.sales_close_at.astimezone(zone)
            clock = f"{clock} ({zone.key})"
        if "start" in self.fields:  # absent for those who may only look
            self.fields["start"].help_text = f"{clock}."
            self.fields["sales_close"].help_text = f"{clock}; empty: at the start."
        if "status" in self.fields:
            self._leave_cancelling_to_its_page()

    def _leave_cancelling_to_its_page(self) -> None:
        """A show is cancelled with a reason and its orders, and never put on sale again."""
        status = self.fields["status"]
        assert isinstance(status, forms.ChoiceField)  # noqa: S101 - for the type checker
        if self.instance.status == ShowStatus.CANCELLED:
            status.disabled = True
            status.help_text = "A cancelled show stays so. Plan a new one."
        else:
            status.choices = [each for each in ShowStatus.choices if each[0] != "cancelled"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.instance.pk:
            self._keep_promises()
        theatre = data.get("theatre")
        if theatre and "start" in data:
            self._set_times(data, theatre)
        if not self.errors:
            self._set_ends(data)
        return data

    def _keep_promises(self) -> None:
        """Refuse to change what was sold. Locks the show's seats when its terms change.

        The page has locked the show itself when it loaded it.
        """
        if not TERMS.intersection(self.changed_data):
            return
        seats = Seat.objects.filter(show=self.instance)
        # Evaluated for its locks: nobody buys between this look and the saving.
        list(seats.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        changed = [field for field in PROMISED if field in self.changed_data]
        if changed and (count := seats.taken().count()):
            self.add_error(
                None,
                f"{count} seat{'s are' if count > 1 else ' is'} sold or held for this show, "
                f"so its {' and '.join(changed)} can't be changed.",
            )

    def _set_times(self, data: dict[str, Any], theatre: Theatre) -> None:
        times = {"start": "start_time", "sales_close": "sales_close_at"}
        for field, column in times.items():
            # A time that nobody touched keeps its seconds.
            if field in self.changed_data or "theatre" in self.changed_data:
                setattr(self.instance, column, self._moment(field, data.get(field), theatre))

    def _moment(self, field: str, entered: WallClock | None, theatre: Theatre) -> datetime | None:
        if entered is None:
            return None
        try:
            return local_moment(entered.shown, zone=theatre.zone, fold=entered.fold)
        except LocalTimeAmbiguous as refusal:
            widget = self.fields[field].widget
            assert isinstance(widget, LocalTimeWidget)  # noqa: S101 - for the type checker
            widget.ask(refusal.facts["offsets"])
            self.add_error(field, refusal.message)
        except DomainError as refusal:
            self.add_error(field, refusal.message)
        return None

    def _set_ends(self, data: dict[str, Any]) -> None:
        """Copy the ends from today's facts, when something that moves them was changed."""
        show, screen = self.instance, data.get("screen")
        if screen and screen.theatre_id != data["theatre"].pk:
            self.add_error("screen", f"{screen.name} is not a screen of {data['theatre']}.")
            return
        if {"movie", "screen", "start", "theatre"} & set(self.changed_data):
            try:
                show.end_time, show.occupied_until = ends_of(
                    movie=data["movie"], screen=screen, start_time=show.start_time
                )
            except DurationMissing as refusal:
                self.add_error("movie", refusal.message)
                return
            if screen:
                lock_screen(screen)
        show.screen = screen
        if data["status"] != "cancelled" and (rivals := list(collisions_of(show))):
            self.rivals = rivals
            named = "; ".join(map(str, rivals))
            self.add_error("start", f"The screen is taken then (turnaround included): {named}.")
