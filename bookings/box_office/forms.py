"""Forms of the box office."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from accounts.models import User
from booking_site.email_address import EmailFormField
from booking_site.languages import LANGUAGES
from booking_site.typed_text import LineFormField, refuse_link
from bookings.models import Booking
from catalog.models import Seat, Theatre
from catalog.staff import theatres_of


class Search(forms.Form):
    """The day and theatre to show, or the text to find orders by."""

    theatre = forms.ModelChoiceField(Theatre.objects.none(), required=False)
    day = forms.DateField(
        required=False,
        validators=[MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2099, 12, 31))],
    )
    q = forms.CharField(required=False, max_length=200)

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.fields["theatre"].queryset = theatres_of(user)  # type: ignore[attr-defined]


class Customer(forms.Form):
    """The walk-in customer of an order, who may stay unnamed."""

    customer_name = LineFormField(max_length=200, required=False, validators=[refuse_link])
    customer_email = EmailFormField(required=False)


class Correction(Customer):
    send_tickets = forms.BooleanField(required=False)


class Sale(Customer):
    """The selected seats, and the customer to send the tickets to, in that language."""

    language = forms.ChoiceField(choices=LANGUAGES, required=False)
    token = forms.RegexField(r"^[0-9a-f]{32}$")
    seat = forms.TypedMultipleChoiceField(
        coerce=int, error_messages={"required": "Select at least one seat."}
    )

    def __init__(self, data: Any, *, seats: Sequence[Seat]) -> None:
        super().__init__(data)
        self.fields["seat"].choices = [(seat.pk, str(seat)) for seat in seats]  # type: ignore[attr-defined]


class BestSeats(forms.Form):
    """How many seats to select together, and whether a wheelchair bay is needed."""

    best = forms.IntegerField(min_value=1, max_value=99)
    accessible = forms.BooleanField(required=False)


class Reasoned(forms.Form):
    reason = LineFormField(max_length=200, error_messages={"required": "Enter a reason."})


class Cancellation(Reasoned):
    """The bookings of an order to cancel, and why."""

    booking = forms.TypedMultipleChoiceField(
        coerce=int, error_messages={"required": "Select the seats to cancel."}
    )
    field_order = ("booking", "reason")

    def __init__(self, data: Any, *, bookings: Collection[Booking]) -> None:
        super().__init__(data)
        self.fields["booking"].choices = [(row.pk, str(row)) for row in bookings]  # type: ignore[attr-defined]


class Move(Reasoned):
    """The new seat of a booking, and why it moves."""

    seat = forms.IntegerField(error_messages={"required": "Select the new seat."})
    field_order = ("seat", "reason")
