"""The JSON of movies, theatres and shows."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from rest_framework import serializers

from booking_site.api.fields import MoneyField, UtcDateTimeField, utc_text
from booking_site.money import money_text
from catalog.models import GapRule, ShowStatus
from catalog.seat_changes import seats_events_url
from catalog.selling import cancellable_until, gap_rule_of, is_bookable

Out = serializers.Serializer[Any]


class MovieSerializer(Out):
    id = serializers.IntegerField()
    title = serializers.CharField()
    description = serializers.CharField()
    duration_minutes = serializers.IntegerField(allow_null=True)
    certificate = serializers.CharField(help_text="Age rating, e.g. PG; may be empty.")
    language = serializers.CharField(help_text="Original language; may be empty.")
    genres = serializers.ListField(child=serializers.CharField())
    poster_url = serializers.CharField(help_text="May be empty.")
    release_date = serializers.DateField(allow_null=True)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()


class TheatreSerializer(Out):
    id = serializers.IntegerField()
    name = serializers.CharField()
    location = serializers.CharField(help_text="May be empty.")
    timezone = serializers.CharField(source="zone.key", help_text="IANA name.")
    currency = serializers.CharField(help_text="ISO 4217 code.")
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()


class HoldPolicySerializer(Out):
    """The limits and the rule for a hold of seats of the show."""

    minutes = serializers.IntegerField(help_text="How long a hold lasts. It can be extended.")
    max_seats = serializers.IntegerField(help_text="Seats in one hold or one purchase.")
    gap_rule = serializers.ChoiceField(
        choices=GapRule.values,
        help_text="`middle_only`: a choice must not leave a single free seat between two taken"
        " ones (`single_seat_gap`). `off` for the last 30 minutes before the start.",
    )


class PricesFromSerializer(Out):
    """The price of the cheapest available seat of each category that has one."""

    standard = MoneyField(required=False)
    premium = MoneyField(required=False)
    wheelchair = MoneyField(required=False)
    companion = MoneyField(required=False)


class ShowSerializer(Out):
    """One screening of a movie.

    For shows from `with_seat_facts`, with their movie, theatre and screen. The fields describe
    the JSON, and `to_representation` writes it, because lists have many shows.
    """

    id = serializers.IntegerField()
    movie_id = serializers.IntegerField()
    movie_title = serializers.CharField()
    theatre_id = serializers.IntegerField()
    theatre_name = serializers.CharField()
    screen_name = serializers.CharField(allow_null=True)
    start_time = UtcDateTimeField()
    end_time = UtcDateTimeField(allow_null=True)
    local_start_time = serializers.DateTimeField(
        help_text="The start in the theatre's local time, with its UTC offset."
    )
    timezone = serializers.CharField(help_text="IANA name.")
    format = serializers.CharField(help_text="E.g. 2D.")
    language = serializers.CharField(help_text="Language of the screening; may be empty.")
    status = serializers.ChoiceField(choices=[ShowStatus.OPEN.value, ShowStatus.CANCELLED.value])
    bookable = serializers.BooleanField(
        help_text="Whether a purchase could begin now: the show is on sale, and has an available"
        " seat that does not depend on another one, as companion seats do."
    )
    sales_open_at = UtcDateTimeField(
        allow_null=True, help_text="Start of online sales, which may be in the past; null: at once."
    )
    sales_close_at = UtcDateTimeField(
        allow_null=True,
        help_text="End of online sales; null, or a time after the start: at the start.",
    )
    cancellable_until = UtcDateTimeField(
        help_text="The last moment at which customers can cancel a booking of the show."
    )
    hold_policy = HoldPolicySerializer()
    seats_total = serializers.IntegerField()
    seats_available = serializers.IntegerField(help_text="Seats that anyone may book now.")
    price_from = MoneyField(
        allow_null=True,
        help_text="Price of the cheapest available seat; null when there is none.",
    )
    prices_from = PricesFromSerializer(
        help_text="Price of the cheapest available seat of each category that has one."
    )
    currency = serializers.CharField(help_text="ISO 4217 code.")
    layout_fingerprint = serializers.CharField(help_text="For `/api/shows/{id}/layout?v=…`.")
    seats_events_url = serializers.CharField(
        allow_null=True,
        help_text="Where to follow the seats (`show_seats_events`); null: poll the seat map.",
    )
    updated_at = UtcDateTimeField(
        help_text="The last change of the show, its seat map or its prices, or of the title or"
        " name of its movie, theatre or screen. Sales and the time of day change `bookable`,"
        " `hold_policy`, `seats_available`, `price_from` and `prices_from` without it."
    )

    def to_representation(self, show: Any) -> dict[str, Any]:
        theatre, facts = show.theatre, show.seat_facts
        zone, currency = theatre.zone, theatre.currency
        prices = {name: Decimal(price) for name, price in facts["prices"].items() if price}
        return {
            "id": show.id,
            "movie_id": show.movie_id,
            "movie_title": show.movie.title,
            "theatre_id": show.theatre_id,
            "theatre_name": theatre.name,
            "screen_name": show.screen.name if show.screen else None,
            "start_time": utc_text(show.start_time),
            "end_time": _utc_text_or_none(show.end_time),
            "local_start_time": show.start_time.astimezone(zone).isoformat(),
            "timezone": zone.key,
            "format": show.format,
            "language": show.language,
            "status": show.status,
            "bookable": is_bookable(show, prices.keys()),
            "sales_open_at": _utc_text_or_none(show.sales_open_at),
            "sales_close_at": _utc_text_or_none(show.sales_close_at),
            "cancellable_until": utc_text(cancellable_until(show.start_time)),
            "hold_policy": {
                "minutes": settings.HOLD_MINUTES,
                "max_seats": settings.MAX_SEATS_PER_ORDER,
                "gap_rule": gap_rule_of(
                    show, gap_rule=theatre.gap_rule, has_layout=show.screen_id is not None
                ),
            },
            "seats_total": facts["total"],
            "seats_available": facts["available"],
            "price_from": money_text(min(prices.values()), currency) if prices else None,
            "prices_from": {name: money_text(price, currency) for name, price in prices.items()},
            "currency": currency,
            "layout_fingerprint": show.layout_fingerprint,
            "seats_events_url": seats_events_url(show.id),
            "updated_at": utc_text(show.updated_at),
        }


def _utc_text_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
