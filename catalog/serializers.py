"""The JSON of movies, theatres and shows."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from booking_site.api.fields import MoneyField, UtcDateTimeField
from catalog.models import Show, ShowStatus

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


class ShowSerializer(Out):
    """One screening of a movie.

    For shows from `with_seat_facts`, with their movie, theatre and screen.
    """

    id = serializers.IntegerField()
    movie_id = serializers.IntegerField()
    movie_title = serializers.CharField(source="movie.title")
    theatre_id = serializers.IntegerField()
    theatre_name = serializers.CharField(source="theatre.name")
    screen_name = serializers.CharField(source="screen.name", default=None, allow_null=True)
    start_time = UtcDateTimeField()
    end_time = UtcDateTimeField(allow_null=True)
    local_start_time = serializers.SerializerMethodField(
        help_text="The start in the theatre's local time, with its UTC offset."
    )
    timezone = serializers.CharField(source="theatre.zone.key", help_text="IANA name.")
    format = serializers.CharField(help_text="E.g. 2D.")
    language = serializers.CharField(help_text="Language of the screening; may be empty.")
    status = serializers.ChoiceField(choices=[ShowStatus.OPEN.value, ShowStatus.CANCELLED.value])
    seats_total = serializers.IntegerField(source="seat_facts.total")
    seats_available = serializers.IntegerField(
        source="seat_facts.available", help_text="Seats that anyone may book now."
    )
    price_from = MoneyField(
        source="seat_facts.price_from",
        currency="theatre.currency",
        allow_null=True,
        help_text="Price of the cheapest available seat; null when there is none.",
    )
    currency = serializers.CharField(source="theatre.currency", help_text="ISO 4217 code.")
    layout_fingerprint = serializers.CharField(help_text="For `/api/shows/{id}/layout?v=…`.")

    @extend_schema_field(serializers.DateTimeField)
    def get_local_start_time(self, show: Show) -> str:
        return show.start_time.astimezone(show.theatre.zone).isoformat()
