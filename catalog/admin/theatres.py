"""Theatres in the back office."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelect2Widget

from accounts.audited_admin import staff_user
from accounts.models import User
from accounts.rights import may_change
from accounts.roles import WORK_EVERYWHERE
from booking_site.api.errors import DomainError, violated_constraint
from booking_site.local_time import offset_of, zone_named, zone_names
from booking_site.money import is_expressible, validate_currency
from catalog.admin.base import BackOffice, local, two_lines
from catalog.clock_changes import save_times, shows_in_zone, upcoming_shows
from catalog.models import GapRule, Seat, Show, Theatre


def _zones() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the choices of time zones, grouped by continent.

    The first is blank: without it, a browser would select the first zone for a new theatre, or for
    a stored zone that is unknown.
    """

    def continent(name: str) -> str:
        return name.partition("/")[0] if "/" in name else "Other"

    names = sorted(zone_names(), key=lambda name: (continent(name), name))
    zones = [
        (group, [(name, name.replace("_", " ")) for name in members])
        for group, members in groupby(names, key=continent)
    ]
    return [("", [("", "Choose a time zone")]), *zones]


class _SeenField(forms.CharField):
    """What the page has shown to the user. It never counts as a change of the theatre."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class TheatreForm(forms.ModelForm):  # type: ignore[type-arg] # not generic at run time
    timezone = forms.ChoiceField(
        label="Time zone",
        choices=_zones,
        widget=UnfoldAdminSelect2Widget,
        help_text="All times of this theatre are entered and shown in this time zone.",
    )

    # The zone and currency whose effects on upcoming shows the user has seen.
    seen = _SeenField(required=False)
    actor: User  # set by get_form
    moved: Sequence[Show] = ()  # at their new times, if the zone changes

    class Meta:
        model = Theatre
        fields = (
            "name",
            "location",
            "timezone",
            "currency",
            "language",
            "gap_rule",
            "contact_email",
            "staff",
        )

    def clean_currency(self) -> str:
        """Refuse a currency that is not current, unless the theatre has it already."""
        currency: str = self.cleaned_data["currency"]
        if "currency" in self.changed_data:
            validate_currency(currency)
        return currency

    def clean_staff(self) -> Iterable[User]:
        """Refuse to add or remove users whom the actor may not change."""
        staff: Iterable[User] = self.cleaned_data["staff"]
        changed = set(staff).symmetric_difference(self.initial.get("staff", ()))
        fixed = [each for each in changed if not may_change(actor=self.actor, user=each)]
        if fixed:
            names = ", ".join(sorted(each.name for each in fixed))
            raise ValidationError(f"You may not add or remove: {names}.")
        return staff

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        changed = {"timezone", "currency"}.intersection(self.changed_data)
        if self.initial.get("timezone") not in zone_names():
            # In an unknown zone, shows have no local time, so their starts do not change.
            changed.discard("timezone")
        if self.instance.pk and changed and not self.errors:
            try:
                self._check_upcoming_shows(data, changed)
            except DomainError as refusal:
                self.add_error("timezone", refusal.message)
        return data

    def _check_upcoming_shows(self, data: dict[str, Any], changed: set[str]) -> None:
        """Refuse the change if seats are sold or held, or until the user has seen its effects.

        Raise LocalTimeMissing or ScreenTaken if the upcoming shows cannot move.
        """
        theatre = Theatre.objects.get(pk=self.instance.pk)
        shows = upcoming_shows([theatre])
        seats = Seat.objects.filter(show__in=shows)
        # Lock the seats, so that nobody can book before the theatre is saved.
        list(seats.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        if taken := seats.taken().count():
            for name in changed:
                self.add_error(
                    name,
                    f"This can't change, because {taken} seat{'s' if taken > 1 else ''} of upcoming"
                    f" shows {'are' if taken > 1 else 'is'} sold or held.",
                )
            return
        if "timezone" in changed:
            self.moved = shows_in_zone(theatre, zone_named(data["timezone"]))
        seen = f"{data['timezone']} {data['currency']}"
        if data["seen"] != seen and shows.exists():
            repeated: Any = cast("QueryDict", self.data).copy()
            repeated["seen"] = seen
            self.data = repeated
            self.add_error(None, " ".join(self._effects(theatre, data, seats)))

    def _effects(
        self, theatre: Theatre, data: dict[str, Any], seats: QuerySet[Seat]
    ) -> Iterator[str]:
        if self.moved:
            show = min(self.moved, key=lambda show: show.start_time)
            starts = show.start_time.astimezone(zone_named(data["timezone"]))
            yield (
                f"Upcoming shows that stay at their local time: {len(self.moved)}. The next one is"
                f" on {starts:%a %d %b %Y, %H:%M} {offset_of(starts)}."
            )
            if started := sum(show.start_time <= timezone.now() for show in self.moved):
                yield f"Of these, {started} will already have started."
        if data["currency"] != theatre.currency:
            prices = list(seats.values_list("price", flat=True))
            yield (
                f"Prices are not converted. Seats that will be priced in {data['currency']} instead"
                f" of {theatre.currency}: {len(prices)}."
            )
            if finer := sum(not is_expressible(price, data["currency"]) for price in prices):
                yield f"Of these, {finer} have more decimal places than {data['currency']}."
        yield "No changes saved yet. Save again to confirm."


@admin.register(Theatre)
class TheatreAdmin(BackOffice[Theatre]):
    theatre_path = "pk"
    form = TheatreForm
    list_display = ("name", "location", "screen_count", "local_time", "currency", "single_seats")
    list_filter = ("currency", "gap_rule")
    search_fields = ("name", "location")
    ordering = ("sort_key", "name", "id")  # GROUP BY drops the default ordering
    search_help_text = "Name or location"
    autocomplete_fields = ("staff",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Theatre]:
        return super().get_queryset(request).annotate(screen_total=Count("screens"))

    def get_form(
        self, request: HttpRequest, obj: Theatre | None = None, change: bool = False, **kwargs: Any
    ) -> type[TheatreForm]:
        form = cast("type[TheatreForm]", super().get_form(request, obj, change, **kwargs))
        form.actor = staff_user(request)  # Django makes a class for each request
        return form

    def get_fields(self, request: HttpRequest, obj: Theatre | None = None) -> Any:
        """Leave out the staff for users who may not manage users."""
        fields = super().get_fields(request, obj)
        if request.user.has_perm("accounts.change_user"):
            return fields
        return [field for field in fields if field != "staff"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not change and not request.user.has_perm(WORK_EVERYWHERE):
            form.instance.staff.add(request.user)  # otherwise they could not see it

    def save_model(self, request: HttpRequest, obj: Theatre, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        save_times(form.moved)

    def _is_conflict(self, error: Exception) -> bool:
        # A show that has started does not move, and may still occupy its screen.
        return violated_constraint(error) == "show_screen_not_taken" or super()._is_conflict(error)

    def theatre_of(self, obj: Theatre) -> Theatre:
        return obj

    @admin.display(description="screens", ordering="screen_total")
    def screen_count(self, theatre: Theatre) -> Any:
        return getattr(theatre, "screen_total", 0)

    @admin.display(description="local time")
    def local_time(self, theatre: Theatre) -> SafeString:
        return two_lines(local(timezone.now(), theatre.zone), theatre.zone.key.replace("_", " "))

    @admin.display(description="single seats", ordering="gap_rule")
    def single_seats(self, theatre: Theatre) -> str:
        return "allowed" if theatre.gap_rule == GapRule.OFF else "not allowed"
