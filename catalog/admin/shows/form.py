"""The form of a show: local start times, computed ends, no change to what customers bought."""

from collections.abc import Sequence
from typing import Any

from django import forms

from catalog.admin.local_time import LocalTimeField, entered_moment
from catalog.archived_rooms import is_archived
from catalog.models import Seat, Show, ShowStatus, Theatre
from catalog.scheduling import DurationMissing, collisions_of, ends_of, lock_screen

# These can't change once a seat is sold or held.
FIXED_AFTER_SALE = ("movie", "theatre", "screen", "start", "status")
# What a booking reads after it has locked its seats.
TERMS = {*FIXED_AFTER_SALE, "sales_open", "sales_close"}


class ShowForm(forms.ModelForm):  # type: ignore[type-arg] # not generic at run time
    rivals: Sequence[Show] = ()  # the shows that occupy the screen, if the form was refused for it
    start = LocalTimeField(label="Start")
    sales_open = LocalTimeField(label="Online sales start", required=False)
    sales_close = LocalTimeField(label="Online sales end", required=False)

    class Meta:
        model = Show
        fields = ("movie", "theatre", "screen", "price_card", "format", "language", "status")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        show = self.instance
        clock = "In the time zone of the theatre"
        if show.pk:
            zone = show.theatre.zone
            self.initial["start"] = show.start_time.astimezone(zone)
            if show.sales_open_at:
                self.initial["sales_open"] = show.sales_open_at.astimezone(zone)
            if show.sales_close_at:
                self.initial["sales_close"] = show.sales_close_at.astimezone(zone)
            clock = f"{clock} ({zone.key})"
        if "start" in self.fields:  # absent for users without change permission
            self.fields["start"].help_text = f"{clock}."
            self.fields[
                "sales_open"
            ].help_text = f"{clock}; empty: at once. The box office can sell earlier."
            self.fields["sales_close"].help_text = f"{clock}; empty: at the start."
        if "status" in self.fields:
            self._restrict_status()

    def _restrict_status(self) -> None:
        """Shows are cancelled on their own page, with a reason, and never reopened."""
        status: Any = self.fields["status"]
        if self.instance.status == ShowStatus.CANCELLED:
            status.disabled = True
            status.help_text = "A cancelled show can't be reopened. Plan a new one."
        else:
            status.choices = [each for each in ShowStatus.choices if each[0] != "cancelled"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.instance.pk:
            self._check_sold_seats()
        theatre = data.get("theatre")
        if theatre and "start" in data:
            self._set_times(theatre)
        if not self.errors:
            self._set_ends(data)
        return data

    def _check_sold_seats(self) -> None:
        """Refuse changes if seats are sold, held or archived; lock the seats if terms change.

        `BackOffice.get_object` has already locked the show.
        """
        if not TERMS.intersection(self.changed_data):
            return
        seats = Seat.objects.filter(show=self.instance)
        # Locks the seats, so that nobody can book before the show is saved.
        list(seats.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        changed = [field for field in FIXED_AFTER_SALE if field in self.changed_data]
        if changed and is_archived(self.instance.pk):
            self.add_error(
                None,
                f"The seats of this show are archived, so its {' and '.join(changed)} can't be"
                " changed. Plan a new show.",
            )
        elif changed and (count := seats.taken().count()):
            self.add_error(
                None,
                f"{count} seat{'s are' if count > 1 else ' is'} sold or held for this show, "
                f"so its {' and '.join(changed)} can't be changed.",
            )

    def _set_times(self, theatre: Theatre) -> None:
        # An unchanged time must not lose its seconds.
        elsewhere = "theatre" in self.changed_data
        if (elsewhere or "start" in self.changed_data) and (
            start := entered_moment(self, "start", theatre.zone)
        ):
            self.instance.theatre = theatre
            self.instance.start_at(start)
        if elsewhere or "sales_close" in self.changed_data:
            self.instance.sales_close_at = entered_moment(self, "sales_close", theatre.zone)
        if elsewhere or "sales_open" in self.changed_data:
            self.instance.sales_open_at = entered_moment(self, "sales_open", theatre.zone)
        if not self.errors and self.instance.is_never_on_sale:
            self.add_error("sales_open", "Online sales must start before they end.")

    def _set_ends(self, data: dict[str, Any]) -> None:
        """Compute the ends, if a field that they depend on was changed."""
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
            self.add_error(
                "start", f"The screen is occupied at that time (turnaround included): {named}."
            )
