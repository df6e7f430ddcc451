"""Serializers of holds, orders, bookings and seats."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from booking_site.api.fields import MoneyField, UtcDateTimeField, utc_text
from booking_site.api.openapi.values import ID
from booking_site.api.parsing import (
    IdField,
    Shape,
    StrictBooleanField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
)
from booking_site.languages import LANGUAGES, Sentence
from bookings.models import Booking, BookingStatus, Channel, Order, OrderStatus
from catalog.models import SeatCategory
from catalog.selling import cancellable_until

LONGEST_LIST = 500
SECTION = "Such as Balcony. Empty in a section without a name."


@extend_schema_field(
    {
        "type": "array",
        "items": ID,
        "minItems": 1,
        "maxItems": LONGEST_LIST,
        "uniqueItems": True,
    }
)
class SeatIdsField(serializers.ListField):
    """A list of different seat ids, in any order."""

    child = IdField()
    default_error_messages = {"duplicate": _("The same seat is listed twice.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty=False, max_length=LONGEST_LIST, **kwargs)

    def to_internal_value(self, data: Any) -> list[int]:
        seat_ids = super().to_internal_value(data)
        if len(set(seat_ids)) < len(seat_ids):
            self.fail("duplicate")
        return sorted(seat_ids)


class BookingRequest(StrictSerializer):
    """`{show_id, seat_id}`, `{show_id, seat_ids}` or `{hold_id}`.

    The validated data is `{show_id, seat_ids}`, sorted, or `{hold_id}`.
    """

    show_id = IdField(required=False)
    seat_id = IdField(required=False)
    seat_ids = SeatIdsField(required=False)
    hold_id = StrictUUIDField(required=False)
    shapes = (Shape(("show_id", "seat_id")), Shape(("show_id", "seat_ids")), Shape(("hold_id",)))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "hold_id" in attrs:
            _refuse(attrs.keys() - {"hold_id"}, _("Send a hold or seats, not both."))
            return attrs
        if not attrs:
            _refuse(
                {"show_id", "hold_id"},
                _("Send show_id and seat_id, show_id and seat_ids, or only hold_id."),
            )
        if "show_id" not in attrs:
            _refuse({"show_id"}, _("Send the show_id of the seats, too."))
        if "seat_id" in attrs:
            _refuse(attrs.keys() & {"seat_ids"}, _("Send seat_id or seat_ids, not both."))
            return {"show_id": attrs["show_id"], "seat_ids": [attrs["seat_id"]]}
        if "seat_ids" not in attrs:
            _refuse({"seat_id", "seat_ids"}, _("Send seat_id or seat_ids, too."))
        return attrs


class HoldRequest(StrictSerializer):
    """`{show_id, seat_ids}`, or `{show_id, quantity}` for the best available seats."""

    show_id = IdField()
    seat_ids = SeatIdsField(required=False)
    quantity = StrictIntegerField(required=False, min_value=1)
    category = serializers.ChoiceField(SeatCategory.choices, required=False)
    accessible = StrictBooleanField(required=False)
    shapes = (
        Shape(("show_id", "seat_ids")),
        Shape(("show_id", "quantity"), optional=("category", "accessible")),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "seat_ids" in attrs:
            _refuse(
                attrs.keys() & {"quantity", "category", "accessible"},
                _("Send seat_ids, or a quantity to get the best seats, not both."),
            )
        elif "quantity" not in attrs:
            _refuse(
                {"seat_ids", "quantity"},
                _("Send seat_ids, or a quantity to get the best seats."),
            )
        return attrs


def _refuse(names: set[str], sentence: Sentence) -> None:
    if names:
        raise serializers.ValidationError({name: [sentence] for name in sorted(names)})


class HeldSeatSerializer(serializers.Serializer[Any]):
    """A seat. `row` is `A` in the first section of a room and `Balcony A` in later ones."""

    id = serializers.IntegerField()
    row = serializers.CharField()
    section = serializers.CharField(allow_blank=True, help_text=SECTION)
    number = serializers.IntegerField()
    price = MoneyField()
    category = serializers.ChoiceField(SeatCategory.choices)
    x = serializers.IntegerField(allow_null=True)
    y = serializers.IntegerField(allow_null=True)


class SeatSerializer(HeldSeatSerializer):
    """A seat as the caller sees it.

    `bookings.seat_map` builds the JSON.
    """

    status = serializers.ChoiceField(["available", "booked"])
    user_id = serializers.IntegerField(
        allow_null=True, help_text="The caller's id if the caller has booked the seat, else null."
    )
    state = serializers.ChoiceField(["available", "held", "booked", "blocked"])
    mine = serializers.BooleanField()


class UnavailableSeatSerializer(serializers.Serializer[Any]):
    """A seat that the caller can't book, as `?fields=status` lists it."""

    id = serializers.IntegerField()
    status = serializers.ChoiceField(["available", "booked"], help_text="Always `booked`.")
    state = serializers.ChoiceField(["available", "held", "booked", "blocked"])


class BookingSerializer(serializers.Serializer[Booking]):
    id = serializers.IntegerField()
    user_id = serializers.IntegerField()
    show_id = serializers.IntegerField()
    seat_id = serializers.IntegerField()
    row = serializers.CharField(source="seat.row")
    section = serializers.CharField(source="seat.section", allow_blank=True, help_text=SECTION)
    number = serializers.IntegerField(source="seat.number")
    price = MoneyField(source="amount")
    currency = serializers.CharField()
    booked_at = UtcDateTimeField()
    order_reference = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(BookingStatus.choices)


class BookedShowSerializer(serializers.Serializer[Any]):
    """The movie, place and time of a booking or an order."""

    movie_id = serializers.IntegerField(source="show.movie_id")
    movie_title = serializers.CharField(source="show.movie.title")
    theatre_id = serializers.IntegerField(source="show.theatre_id")
    theatre_name = serializers.CharField(source="show.theatre.name")
    screen_name = serializers.CharField(source="show.screen.name", default=None, allow_null=True)
    start_time = UtcDateTimeField(source="show.start_time")
    end_time = UtcDateTimeField(source="show.end_time", allow_null=True)
    local_start_time = serializers.SerializerMethodField(
        help_text="The start in the theatre's local time, with its UTC offset."
    )
    timezone = serializers.CharField(source="show.theatre.zone.key")
    cancellable_until = serializers.SerializerMethodField(
        help_text="The last moment at which the customer can cancel; null once it is cancelled."
    )

    @extend_schema_field(UtcDateTimeField(allow_null=True))
    def get_cancellable_until(self, item: Booking | Order) -> str | None:
        if item.status in (BookingStatus.CANCELLED, OrderStatus.CANCELLED):
            return None
        return utc_text(cancellable_until(item.show.start_time))

    @extend_schema_field(serializers.DateTimeField)
    def get_local_start_time(self, item: Booking | Order) -> str:
        show = item.show
        return show.start_time.astimezone(show.theatre.zone).isoformat()


class BookingDetailSerializer(BookedShowSerializer, BookingSerializer):
    cancelled_at = UtcDateTimeField(allow_null=True)


class OrderSerializer(serializers.Serializer[Any]):
    reference = serializers.CharField()
    show_id = serializers.IntegerField()
    channel = serializers.ChoiceField(Channel.choices)
    total = MoneyField()
    currency = serializers.CharField()
    language = serializers.ChoiceField(LANGUAGES, help_text="The language of e-mails and tickets.")
    created_at = UtcDateTimeField()


class OrderDetailSerializer(BookedShowSerializer, OrderSerializer):
    status = serializers.ChoiceField(OrderStatus.choices)
    bookings = BookingSerializer(many=True, source="bookings_by_place")


class NewBooking(BookingSerializer):
    """A booking that was just made, with its movie, theatre and start."""

    movie_title = serializers.CharField()
    theatre_name = serializers.CharField()
    start_time = UtcDateTimeField()


class OrderAnswer(BookedShowSerializer, OrderSerializer):
    """A new order."""

    status = serializers.ChoiceField([OrderStatus.CONFIRMED.value])


class BookingAnswer(serializers.Serializer[Any]):
    """The response to a purchase. `booking` is the first of `bookings`, by row and number."""

    message = serializers.CharField()
    booking = NewBooking()
    bookings = NewBooking(many=True)
    order = OrderAnswer()


class HoldSerializer(serializers.Serializer[Any]):
    """A hold and its seats. `expires_in` is in seconds from `server_time`."""

    id = serializers.UUIDField(source="hold.id")
    show_id = serializers.IntegerField(source="hold.show_id")
    seats = HeldSeatSerializer(many=True, source="priced_seats")
    total = MoneyField()
    currency = serializers.CharField()
    expires_at = UtcDateTimeField(source="hold.expires_at")
    max_expires_at = UtcDateTimeField(source="hold.max_expires_at")
    expires_in = serializers.IntegerField()
    server_time = UtcDateTimeField(source="now")
